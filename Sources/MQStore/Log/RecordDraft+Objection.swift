public import MQWire
import NIOCore

extension RecordDraft {
    /// Why no store takes this message, whatever its settings; nil when one may.
    ///
    /// What a client wrote must end here, and not at the preconditions of the record's codec.
    public var storeObjection: StoreError? {
        guard QueueKey.isTopicName(topic) else {
            return StoreError(
                .illegalMessage, message: "the topic must be one path component of 1 to 127 bytes, without a zero byte")
        }
        return contentObjection
    }

    /// The same but for the topic.
    var contentObjection: StoreError? {
        guard properties.readableBytes <= MessageProperties.maximumEncodedBytes else {
            return StoreError(
                .illegalMessage,
                message: "the properties have \(properties.readableBytes) bytes, at most "
                    + "\(MessageProperties.maximumEncodedBytes) fit a record")
        }
        guard queueID >= 0 else { return StoreError(.illegalMessage, message: "queue \(queueID) is none") }
        return nil
    }
}
