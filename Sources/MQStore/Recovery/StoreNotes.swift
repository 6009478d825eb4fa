import SystemPackage

/// What the process before wrote down about its store, as far as it may be believed.
///
/// 1. The checkpoint's times are believed, unless they lie in the future; its reach as ``SyncedReach`` says.
/// 2. The queues' ends are believed beside a checkpoint with a reach. Beside one without, another implementation has
///    written since, and they are removed.
/// 3. Without a checkpoint they are believed, too: an operator removes it to go on without a segment that is lost, and
///    offsets that were given must not be given again.
/// 4. One that the disk cannot read is lost, and the start goes on without it: it walks more, and takes no hole for a power
///    cut's. But that was no operator's decision: a segment that is missing is refused as before.
///
/// Owned by the start that reads it.
final class StoreNotes {
    private(set) var checkpoint: Checkpoint?
    private(set) var queueEnds: QueueEnds?
    private let configuration: StoreConfiguration
    private let io: any StorageIO
    private let isQueueEndsVoid: Bool
    /// Whether there is a checkpoint, believed or not.
    let hasCheckpoint: Bool
    /// The files that the disk cannot read.
    let unreadable: [FilePath]

    /// Reads them; changes nothing.
    init(_ configuration: StoreConfiguration, now: Int64, io: any StorageIO) throws(StoreError) {
        self.configuration = configuration
        self.io = io
        var unreadable: [FilePath] = []
        var checkpoint = try Self.load(&unreadable) { () throws(StoreError) in
            try Checkpoint.read(from: configuration.checkpointFile, now: now, io: io)
        }
        hasCheckpoint = checkpoint != nil || !unreadable.isEmpty
        let file = ReplacedFile(configuration.queueEndsFile, io: io, keepsBackup: false)
        let ends = try Self.load(&unreadable) { () throws(StoreError) in try file.load().flatMap(QueueEnds.init) }
        self.unreadable = unreadable
        isQueueEndsVoid = checkpoint != nil && checkpoint?.reach == nil
        queueEnds = isQueueEndsVoid ? nil : ends
        // Without a sum over them times may have gone bad: what they vouch for would not be looked at.
        if let found = checkpoint, found.reach == nil, found.safeTimestamp > now { checkpoint = nil }
        self.checkpoint = checkpoint
    }

    /// What a note says; `nil` when the disk cannot read its file, which is noted then.
    private static func load<Note>(
        _ unreadable: inout [FilePath], _ body: () throws(StoreError) -> Note?
    ) throws(StoreError) -> Note? {
        do throws(StoreError) { return try body() } catch {
            guard error.code == .unreadable, let path = error.path else { throw error }
            unreadable.append(path)
            return nil
        }
    }

    var reach: SyncedReach? { checkpoint?.reach }
    /// The log before this offset is known to be on the disk; `nil` when nothing was noted, or what was is lost.
    var syncedTo: Int64? {
        // The queues' ends are written once the log is synced as far.
        [reach?.logOffset, queueEnds?.logEnd].compactMap { $0 }.max()
    }

    /// Topics that had queues, and have none now.
    func topicsWithoutQueues(in queues: QueueTable) -> Set<String> {
        guard let queueEnds else { return [] }
        return Set(queueEnds.entries.map(\.key.topic)).subtracting(queues.all.map(\.key.topic))
    }

    /// Removes what is not believed, before a new checkpoint would make it so, and what cannot be read: it might be once
    /// more, and then vouch for what has changed since.
    func removeVoid() throws(StoreError) {
        for path in unreadable { try remove(path) }
        guard isQueueEndsVoid, try io.exists(configuration.queueEndsFile) else { return }
        try remove(configuration.queueEndsFile)
    }

    /// Makes nothing of this vouch for what is behind `end`, where the log is going to be cut.
    func endLog(at end: Int64) throws(StoreError) {
        if queueEnds != nil { try remove(configuration.queueEndsFile) }
        queueEnds = nil
        guard var changed = checkpoint, var reach, reach.logOffset > end || reach.queuesOffset > end else { return }
        reach.logOffset = min(reach.logOffset, end)
        reach.queuesOffset = min(reach.queuesOffset, end)
        changed.reach = reach
        try replace(by: changed)
    }

    /// Makes the checkpoint vouch for no queue entry from `start` on, where a record of this time stands.
    ///
    /// Of the log it says what it said: that is where it was, and is synced.
    func takeBackQueues(to start: Int64, timestamp: Int64) throws(StoreError) {
        guard var changed = checkpoint else { return }
        if let reach {
            // The times were taken before the offsets: they vouch for no more.
            if reach.safeOffset <= start { return }
            changed.reach?.queuesOffset = min(reach.queuesOffset, start)
        } else if timestamp >= max(0, changed.safeTimestamp) - RecoveryStart.foreignMargin {
            return
        }
        let time = reach == nil ? timestamp + RecoveryStart.foreignMargin : timestamp
        changed.logTimestamp = min(changed.logTimestamp, time)
        changed.queueTimestamp = min(changed.queueTimestamp, time)
        try replace(by: changed)
    }

    private func replace(by changed: Checkpoint) throws(StoreError) {
        do throws(StoreError) { try changed.write(to: configuration.checkpointFile, io: io) } catch {
            // A full disk must not keep the broker from starting, and from making room: no checkpoint vouches for nothing.
            guard error.code == .diskFull else { throw error }
            try remove(configuration.checkpointFile)
        }
        checkpoint = changed
    }

    private func remove(_ path: FilePath) throws(StoreError) {
        try io.removeFile(path)
        try io.syncDirectory(path.removingLastComponent())
    }
}
