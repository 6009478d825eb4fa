import Synchronization
import SystemPackage

/// All consume queues of a store.
final class QueueTable: Sendable {
    private let directory: FilePath
    private let entriesPerFile: Int64
    private let queues = Mutex<[QueueKey: ConsumeQueue]>([:])

    /// Opens what is in the directory, `topic/queueId/` each.
    init(directory: FilePath, entriesPerFile: Int64) throws(StoreError) {
        self.directory = directory
        self.entriesPerFile = entriesPerFile
        for topic in try Directory.names(in: directory) {
            for name in try Directory.names(in: directory.appending(topic)) {
                guard let queueID = Int32(name) else { continue }
                _ = try makeIfMissing(QueueKey(topic: topic, queueID: queueID))
            }
        }
    }

    /// The queue, if it was ever written.
    func queue(_ key: QueueKey) -> ConsumeQueue? { queues.withLock { $0[key] } }

    /// The queue; its files are made when it is new.
    func makeIfMissing(_ key: QueueKey) throws(StoreError) -> ConsumeQueue {
        if let queue = queue(key) { return queue }
        let made = try ConsumeQueue(
            key: key, directory: directory.appending(key.topic).appending(String(key.queueID)),
            entriesPerFile: entriesPerFile)
        return queues.withLock { queues in
            if let other = queues[key] { return other }
            queues[key] = made
            return made
        }
    }

    /// All queues, in no order.
    var all: [ConsumeQueue] { queues.withLock { Array($0.values) } }

    /// Forgets a topic's queues and removes their files; the records stay in the log.
    func remove(topic: String) throws(StoreError) {
        queues.withLock { queues in queues = queues.filter { $0.key.topic != topic } }
        try Directory.removeTree(directory.appending(topic))
    }
}
