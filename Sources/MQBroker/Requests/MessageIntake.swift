import MQStore
import MQWire
import NIOCore

/// What happens to a message between its request and the store. Pure.
enum MessageIntake {
    /// Whether a message is stored for its own topic with the properties it came with, as nearly all are: no delay, no
    /// half of a transaction, no retry.
    static func staysWhereItGoes(_ header: SendMessageRequestHeader) -> Bool {
        MessageProperties.value(of: "DELAY", inText: header.properties) == nil
            && MessageProperties.value(of: "TRAN_MSG", inText: header.properties) == nil
            && !header.topic.hasPrefix(SystemTopic.retryPrefix)
    }

    /// Puts a message that asks for a delay aside: into the schedule topic, its real place in its properties.
    ///
    /// - Parameter properties: the message's properties; gains `REAL_TOPIC` and `REAL_QID`.
    static func applyDelay(topic: inout String, queueID: inout Int32, properties: inout MessageProperties) {
        guard let text = properties[PropertyName.delayTimeLevel], let level = Int32(text), level > 0 else { return }
        let levels = Int32(DelayLevels.standard.count)
        let bounded = min(level, levels)
        properties[PropertyName.delayTimeLevel] = String(bounded)
        properties[PropertyName.realTopic] = topic
        properties[PropertyName.realQueueID] = String(queueID)
        topic = SystemTopic.schedule
        queueID = bounded - 1
    }

    /// Gives a message that was put aside its real place back; `nil` when it has none.
    ///
    /// Its properties stay as they are: consumers of RocketMQ see there how long it was to wait, too.
    static func liftDelay(_ draft: RecordDraft) -> RecordDraft? {
        let properties = MessageProperties(draft.properties)
        guard let topic = properties[PropertyName.realTopic],
            let queueID = properties[PropertyName.realQueueID].flatMap(Int32.init)
        else { return nil }
        var lifted = draft
        lifted.topic = topic
        lifted.queueID = queueID
        return lifted
    }

    /// Puts a half message aside: into the half topic, its real place in its properties. A delay counts from the commit.
    static func applyHalf(_ draft: inout RecordDraft, properties: inout MessageProperties) {
        properties[PropertyName.realTopic] = draft.topic
        properties[PropertyName.realQueueID] = String(draft.queueID)
        draft.topic = SystemTopic.half
        draft.queueID = 0
        // In its queue, or nobody could find it: the bits of a transaction keep a record out of queues.
        draft.sysFlag.subtract(.transactionRollback)
    }

    /// A half message as its commit stores it; `nil` when it has no real place.
    ///
    /// It keeps the mark of a half: RocketMQ's clients tell a consumer its transaction's id by that.
    static func committed(_ half: StoredRecord) -> RecordDraft? {
        var properties = half.properties
        guard let topic = properties[PropertyName.realTopic],
            let queueID = properties[PropertyName.realQueueID].flatMap({ Int32($0) })
        else { return nil }
        var draft = half.draft()
        draft.topic = topic
        draft.queueID = queueID
        draft.sysFlag.subtract(.transactionRollback)
        draft.sysFlag.formUnion(.transactionCommit)
        draft.preparedTransactionOffset = half.logOffset
        applyDelay(topic: &draft.topic, queueID: &draft.queueID, properties: &properties)
        draft.properties = ByteBuffer(string: properties.text)
        return draft
    }

    /// Why a message cannot be stored; `nil` when it can.
    static func objection(
        topic: String, bodyBytes: Int, propertyBytes: Int, maximumBodyBytes: Int
    ) -> (code: ResponseCode, remark: String)? {
        if let objection = SystemTopic.objection(to: topic) { return (.systemError, objection) }
        if bodyBytes > maximumBodyBytes {
            return (
                .messageIllegal, "the body has \(bodyBytes) bytes (at most \(maximumBodyBytes), maxMessageSize)"
            )
        }
        if propertyBytes > MessageProperties.maximumEncodedBytes {
            return (
                .messageIllegal,
                "the properties have \(propertyBytes) bytes (at most \(MessageProperties.maximumEncodedBytes))"
            )
        }
        return nil
    }
}
