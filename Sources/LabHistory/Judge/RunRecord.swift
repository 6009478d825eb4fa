/// What a run did besides sending and delivering: its header, phases, faults, drains, scans and end.
///
/// Bounded by the number of queues, replicas and faults, not by the number of messages.
struct RunRecord: Sendable {
    struct QueueKey: Hashable, Sendable {
        var broker: String
        var queueID: Int
    }

    /// The life of one fault, as far as it was seen.
    struct Fault: Sendable {
        var uid: String
        var kind: String
        var target: String
        var edges: [(edge: FaultEdge.Edge, atNanoseconds: Int64, line: Int, detail: String)] = []

        func first(_ edge: FaultEdge.Edge) -> (atNanoseconds: Int64, line: Int, detail: String)? {
            edges.first { $0.edge == edge }.map { ($0.atNanoseconds, $0.line, $0.detail) }
        }

        /// As in `crash (process-signal on broker-a)`.
        var name: String { "\(uid) (\(kind) on \(target))" }
        var openedAt: Int64? { first(.active)?.atNanoseconds }
        var closedAt: Int64? { first(.healed)?.atNanoseconds }
    }

    static let maximumFaults = 4096
    static let maximumEdges = 64
    static let maximumQueues = 1 << 16
    static let maximumReplicas = 4096
    static let maximumPhases = 4096

    private(set) var header: RunHeader?
    private(set) var phases: [Timeline.Mark] = []
    private(set) var faults: [Fault] = []
    private(set) var drains: [QueueKey: (drain: QueueDrain, line: Int)] = [:]
    private(set) var scans: [String: (scan: ReplicaScan, line: Int)] = [:]
    /// Records seen of each replica since its last scan ended, to be held against what the next one says that it found.
    private var scannedRecords: [String: Int] = [:]
    /// Brokers that acknowledged something: each needs a scanned replica before anything is called lost.
    private(set) var acknowledgingBrokers: Set<String> = []
    private(set) var end: (end: RunEnd, line: Int)?
    private var isEmpty = true

    /// False when the event is none that a trial writes there.
    mutating func note(_ event: HistoryEvent, line: Int) -> Bool {
        let isFirst = isEmpty
        isEmpty = false
        guard end == nil else { return false }
        switch event.body {
        case .run(let run):
            guard isFirst else { return false }
            header = run
        case .phase(let name):
            guard phases.count < Self.maximumPhases else { return false }
            phases.append(Timeline.Mark(atNanoseconds: event.atNanoseconds, name: name))
        case .fault(let edge): return note(edge, at: event.atNanoseconds, line: line)
        case .drained(let drain):
            guard drains.count < Self.maximumQueues else { return false }
            // A queue may be drained again after it was cut short; the last word counts.
            drains[QueueKey(broker: drain.broker, queueID: drain.queueID)] = (drain, line)
        case .scanEnded(let scan):
            guard scans.count < Self.maximumReplicas else { return false }
            scans[scan.replica] = (counted(scan), line)
            scannedRecords[scan.replica] = 0
        case .complete(let done):
            if done.outcome == .ok, let stored = done.stored { acknowledgingBrokers.insert(stored.broker) }
        case .end(let end): self.end = (end, line)
        case .scanned(let record):
            guard scannedRecords.count < Self.maximumReplicas || scannedRecords[record.replica] != nil else {
                return false
            }
            scannedRecords[record.replica, default: 0] += 1
        case .invoke, .deliver: break
        }
        return header != nil
    }

    /// A scan whose records are not all in the history is no complete scan, whatever it says: nobody may be called lost
    /// for a line that is missing.
    private func counted(_ scan: ReplicaScan) -> ReplicaScan {
        let seen = scannedRecords[scan.replica] ?? 0
        guard scan.complete, seen != scan.records else { return scan }
        var scan = scan
        scan.complete = false
        scan.detail = "it tells of \(scan.records) records, and the history has \(seen) of them"
        return scan
    }

    private mutating func note(_ edge: FaultEdge, at nanoseconds: Int64, line: Int) -> Bool {
        let index: Int
        if let known = faults.firstIndex(where: { $0.uid == edge.uid }) {
            index = known
        } else {
            guard faults.count < Self.maximumFaults else { return false }
            faults.append(Fault(uid: edge.uid, kind: edge.kind, target: edge.target))
            index = faults.count - 1
        }
        guard faults[index].edges.count < Self.maximumEdges else { return false }
        faults[index].edges.append((edge.edge, nanoseconds, line, edge.detail))
        return header != nil
    }

    // MARK: What was read to its end

    /// Whether this queue was read to the end that the broker told.
    func isDrained(_ queue: QueueKey) -> Bool {
        guard let drain = drains[queue]?.drain else { return false }
        return drain.complete && drain.reachedOffset >= drain.maxOffset
    }

    /// Whether the reader got past this offset of a queue, or there is nothing further to read in it.
    func wasReachable(_ offset: Int64, in queue: QueueKey) -> Bool {
        guard let drain = drains[queue]?.drain else { return false }
        return isDrained(queue) || offset < drain.reachedOffset
    }

    /// Whether every queue that was drained at all was drained to its end, and at least one was.
    var allDrained: Bool {
        !drains.isEmpty && drains.keys.allSatisfy { isDrained($0) }
    }

    /// Whether every replica's log was read to its end, as far as a history can tell.
    ///
    /// A replica's name need not be its broker's, so the least that can be asked is as many replicas as there are
    /// brokers that acknowledged.
    var allScanned: Bool {
        scans.count >= max(1, acknowledgingBrokers.count) && scans.values.allSatisfy(\.scan.complete)
    }

    /// The fault that was open at some moment of a stretch; else the first that opened after it, else the last before.
    func fault(from: Int64, to: Int64) -> Fault? {
        let opened = faults.filter { $0.openedAt != nil }
        return opened.first { ($0.openedAt ?? 0) <= to && from <= ($0.closedAt ?? .max) }
            ?? opened.first { ($0.openedAt ?? 0) > to } ?? opened.last
    }
}
