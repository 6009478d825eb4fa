import Synchronization
import SystemPackage

/// All consume queues of a store.
final class QueueTable: Sendable {
    private let directory: FilePath
    private let entriesPerFile: Int64
    private let io: any StorageIO
    private let names: NameJournal
    private let table = Mutex(Table())
    /// Tells entries that cannot be read from the log, once the store is open.
    let derivation = EntryDerivation()

    private struct Table: Sendable {
        var byKey: [QueueKey: ConsumeQueue] = [:]
        /// In the order in which they were opened, so that a seeded simulation repeats itself.
        var inOrder: [ConsumeQueue] = []
    }

    /// Opens what is in the directory, `topic/queueId/` each; changes no file.
    init(directory: FilePath, entriesPerFile: Int64, io: any StorageIO) throws(StoreError) {
        self.directory = directory
        self.entriesPerFile = entriesPerFile
        self.io = io
        names = NameJournal(io: io)
        // What is found after a kill may never have been made durable.
        names.note([directory.removingLastComponent(), directory])
        for topic in try io.names(in: directory) {
            names.note([directory.appending(topic)])
            var lost: [QueueKey] = []
            for name in try io.names(in: directory.appending(topic)) {
                if let key = Self.lostQueue(topic: topic, mark: name) { lost.append(key) }
                guard let queueID = Int32(name) else { continue }
                names.note([directory.appending(topic).appending(name)])
                _ = try makeIfMissing(QueueKey(topic: topic, queueID: queueID), extends: false)
            }
            for key in lost { try makeIfMissing(key, extends: false).lose() }
        }
    }

    // MARK: Queues that were given up

    private static let markSuffix = ".lost"

    /// The queue that a mark in its topic's folder says is to be made anew. RocketMQ passes such a file over.
    private static func lostQueue(topic: String, mark: String) -> QueueKey? {
        guard mark.hasSuffix(markSuffix) else { return nil }
        return Int32(mark.dropLast(markSuffix.count)).map { QueueKey(topic: topic, queueID: $0) }
    }

    private func mark(of key: QueueKey) -> FilePath {
        directory.appending(key.topic).appending(String(key.queueID) + Self.markSuffix)
    }

    /// Notes durably that a queue is to be made anew by the next start, whatever its files hold.
    func giveUp(_ queue: ConsumeQueue) throws(StoreError) {
        try io.touch(mark(of: queue.key))
        queue.giveUp()
    }

    /// Takes the marks away of queues that were made anew.
    ///
    /// Not durably: one that comes back has the queue made anew again.
    func forgetGivenUp() throws(StoreError) {
        for topic in try io.names(in: directory) {
            for name in try io.names(in: directory.appending(topic)) {
                guard let key = Self.lostQueue(topic: topic, mark: name) else { continue }
                try io.removeFile(mark(of: key))
                names.note([directory.appending(topic)])
            }
        }
    }

    /// Has names that could not be made durable tried again; whether there were any.
    func retryNames() -> Bool {
        guard names.hasFailed else { return false }
        names.retry()
        return true
    }

    /// Brings files that were found too short to their size.
    func extend() throws(StoreError) {
        for queue in all { try queue.extend() }
    }

    /// The queue, if it was ever written.
    func queue(_ key: QueueKey) -> ConsumeQueue? { table.withLock { $0.byKey[key] } }

    /// The queue; its files are made when it is new.
    func makeIfMissing(_ key: QueueKey, extends: Bool = true) throws(StoreError) -> ConsumeQueue {
        if let queue = queue(key) { return queue }
        guard QueueKey.isTopicName(key.topic) else {
            throw StoreError(.illegalMessage, message: "a topic's name must be one path component of at most 127 bytes")
        }
        let made = try ConsumeQueue(
            key: key, directory: directory.appending(key.topic).appending(String(key.queueID)),
            entriesPerFile: entriesPerFile, io: io, names: names, derivation: derivation)
        if extends { try made.extend() }
        return table.withLock { table in
            if let other = table.byKey[key] { return other }
            table.byKey[key] = made
            table.inOrder.append(made)
            return made
        }
    }

    /// All queues, in the order in which they were opened.
    var all: [ConsumeQueue] { table.withLock { $0.inOrder } }

    /// Makes durable what was made and removed.
    func syncNames() throws(StoreError) { try names.sync() }

    /// Forgets a topic's queues and removes their files; the records stay in the log.
    func remove(topic: String) throws(StoreError) {
        guard QueueKey.isTopicName(topic) else { return }
        let gone = table.withLock { table in
            let gone = table.inOrder.filter { $0.key.topic == topic }
            table.byKey = table.byKey.filter { $0.key.topic != topic }
            table.inOrder.removeAll { $0.key.topic == topic }
            return gone
        }
        // Whoever still holds one must not take away what comes in its place.
        for queue in gone { queue.retire() }
        let directory = directory.appending(topic)
        for name in try io.names(in: directory) {
            if let key = Self.lostQueue(topic: topic, mark: name) { try io.removeFile(mark(of: key)) }
            guard Int32(name) != nil else { continue }
            for file in try io.names(in: directory.appending(name)) {
                try io.removeFile(directory.appending(name).appending(file))
            }
            try io.removeDirectory(directory.appending(name))
        }
        try io.removeDirectory(directory)
        // What is gone has no names to make durable, and where it was one less.
        names.forget(directory)
        names.note([self.directory])
    }
}
