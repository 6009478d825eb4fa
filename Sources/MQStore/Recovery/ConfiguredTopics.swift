import MQWire
import NIOCore
import SystemPackage

/// The topics that the broker's own table names, ours or RocketMQ's: `config/topics.json`.
///
/// RocketMQ notes no deletions. A topic that neither this table names nor a folder of queues was deleted.
struct ConfiguredTopics {
    /// `nil` where there is no table, or none that can be read.
    private let names: Set<String>?

    init(root: FilePath, io: any StorageIO) {
        let table = try? ReplacedFile(root.appending("config").appending("topics.json"), io: io).load()
        let json = table.flatMap { try? JSONValue(parsing: ByteBuffer(bytes: $0)) }
        names = (json?["topicConfigTable"]?.objectValue).map { Set($0.map(\.key)) }
    }

    /// Whether a topic without a folder was deleted.
    func haveLost(_ topic: String) -> Bool {
        guard let names else { return false }
        return !names.contains(topic) && topic != DelayLevels.topic && !topic.hasPrefix("RMQ_SYS_")
    }
}
