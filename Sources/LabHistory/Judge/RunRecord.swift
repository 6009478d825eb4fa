/// What a run planned, and what it did besides sending and delivering: header, phases, faults, drains, scans and end.
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
        var planID: String?
        var edges: [(edge: FaultEdge.Edge, atNanoseconds: Int64, line: Int, detail: String)] = []

        func first(_ edge: FaultEdge.Edge) -> (atNanoseconds: Int64, line: Int, detail: String)? {
            edges.first { $0.edge == edge }.map { ($0.atNanoseconds, $0.line, $0.detail) }
        }

        /// As in `crash (process-signal on broker-a)`.
        var name: String { "\(uid) (\(kind) on \(target))" }
        var openedAt: Int64? { first(.active)?.atNanoseconds }
        var closedAt: Int64? { (first(.healed) ?? first(.expired))?.atNanoseconds }
    }

    static let maximumFaults = 4096
    static let maximumEdges = 64
    static let maximumQueues = 1 << 16
    static let maximumReplicas = 4096
    static let maximumPhases = 4096

    private(set) var header: RunHeader?
    private(set) var plannedFaults: [PlannedFault] = []
    /// By replica.
    private(set) var plannedScans: [String: PlannedScan] = [:]
    private var isBegun = false
    private(set) var phases: [Timeline.Mark] = []
    private(set) var faults: [Fault] = []
    private(set) var drains: [QueueKey: (drain: QueueDrain, line: Int)] = [:]
    private(set) var scans: [String: (scan: ReplicaScan, line: Int)] = [:]
    /// Records seen of each replica since its last scan ended, to be held against what the next one says that it found.
    private var scannedRecords: [String: Int] = [:]
    /// Deliveries of the drain by queue, to be held against what the drain says that it gave.
    private var drainDeliveries: [QueueKey: Int] = [:]
    /// Brokers that acknowledged something: each needs a scanned replica before anything is called lost.
    private(set) var acknowledgingBrokers: Set<String> = []
    /// Queues in which something was acknowledged: each needs a drain.
    private(set) var acknowledgedQueues: Set<QueueKey> = []
    private(set) var end: (end: RunEnd, line: Int)?
    private var isEmpty = true

    /// False when the event is none that a trial writes there.
    mutating func note(_ event: HistoryEvent, line: Int, _ rules: Rules) -> Bool {
        let isFirst = isEmpty
        isEmpty = false
        guard end == nil else { return false }
        switch event.body {
        case .run: break
        case .planned(let item): return note(item)
        default: isBegun = true
        }
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
            drains[QueueKey(broker: drain.broker, queueID: drain.queueID)] = (counted(drain, rules), line)
        case .scanEnded(let scan):
            guard scans.count < Self.maximumReplicas else { return false }
            scans[scan.replica] = (counted(scan), line)
            scannedRecords[scan.replica] = 0
        case .complete(let done):
            guard done.outcome == .ok, let stored = done.stored else { break }
            acknowledgingBrokers.insert(stored.broker)
            if acknowledgedQueues.count < Self.maximumQueues {
                acknowledgedQueues.insert(QueueKey(broker: stored.broker, queueID: stored.queueID))
            }
        case .end(let end): self.end = (end, line)
        case .scanned(let record):
            guard scannedRecords.count < Self.maximumReplicas || scannedRecords[record.replica] != nil else {
                return false
            }
            scannedRecords[record.replica, default: 0] += 1
        case .deliver(let delivery):
            guard delivery.isDrain else { break }
            let queue = QueueKey(broker: delivery.broker, queueID: delivery.queueID)
            guard drainDeliveries.count < Self.maximumQueues || drainDeliveries[queue] != nil else { return false }
            drainDeliveries[queue, default: 0] += 1
        case .invoke, .unreadable, .planned: break
        }
        return header != nil
    }

    private mutating func note(_ item: PlannedItem) -> Bool {
        guard header != nil, !isBegun else { return false }
        switch item {
        case .fault(let fault):
            guard plannedFaults.count < Self.maximumFaults, !plannedFaults.contains(where: { $0.id == fault.id })
            else { return false }
            plannedFaults.append(fault)
        case .scan(let scan):
            guard plannedScans.count < Self.maximumReplicas, plannedScans[scan.replica] == nil else { return false }
            plannedScans[scan.replica] = scan
        }
        return true
    }

    /// A drain whose deliveries are not all in the history is no complete drain, whatever it says.
    private func counted(_ drain: QueueDrain, _ rules: Rules) -> QueueDrain {
        let seen = drainDeliveries[QueueKey(broker: drain.broker, queueID: drain.queueID)] ?? 0
        guard drain.complete, let told = drain.messages, told != seen, rules.has(.drainKeepsItsCount) else {
            return drain
        }
        var drain = drain
        drain.complete = false
        drain.detail = "it tells of \(told) messages, and the history has \(seen) of them"
        return drain
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
            faults.append(Fault(uid: edge.uid, kind: edge.kind, target: edge.target, planID: edge.planID))
            index = faults.count - 1
        }
        guard faults[index].edges.count < Self.maximumEdges else { return false }
        faults[index].edges.append((edge.edge, nanoseconds, line, edge.detail))
        return header != nil
    }

    /// The fault that was open at some moment of a stretch; else the first that opened after it, else the last before.
    func fault(from: Int64, to: Int64) -> Fault? {
        let opened = faults.filter { $0.openedAt != nil }
        return opened.first { ($0.openedAt ?? 0) <= to && from <= ($0.closedAt ?? .max) }
            ?? opened.first { ($0.openedAt ?? 0) > to } ?? opened.last
    }
}
