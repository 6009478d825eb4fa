import LabHistory

/// Writes histories by hand: one producer's messages to one queue, each call one or two events, 1 ms apart.
struct Tale {
    static let runID = "r-1"
    private(set) var events: [HistoryEvent] = []
    private var now: Int64 = 0
    private var operation = 0
    var promises = Promises(lossAllowed: false)
    var ending = HistoryLines.Ending.whole

    /// With a plan of these faults, all of them `process-signal on broker-a on n2`, and a scan of these replicas, which
    /// are brokers of the same names.
    init(header: Bool = true, faults: [String] = [], replicas: [String] = ["broker-a"], format: Int = 3) {
        guard header else { return }
        add(Self.header(PlanSize(faults: faults.count, scans: replicas.count), format: format))
        for id in faults {
            plan(.fault(PlannedFault(id: id, kind: "process-signal", target: "broker-a on n2")))
        }
        for replica in replicas { plan(.scan(PlannedScan(replica: replica, broker: replica))) }
    }

    static func header(_ plan: PlanSize, format: Int = 3) -> HistoryEvent.Body {
        .run(
            RunHeader(
                formatVersion: format, runID: Self.runID, seed: 7, startedAtMilliseconds: 1_700_000_000_000,
                topic: "first-message", plan: format == 1 ? nil : plan))
    }

    /// Writes into the header whether losses are permitted.
    mutating func permitLosses(_ isAllowed: Bool, tailMilliseconds: Int64? = nil) {
        guard case .run(var header) = events[0].body else { return }
        header.lossAllowed = isAllowed
        header.tailNanoseconds = tailMilliseconds.map { $0 * 1_000_000 }
        events[0].body = .run(header)
    }

    /// A line of the plan; it takes no time.
    mutating func plan(_ item: PlannedItem) { events.append(HistoryEvent(atNanoseconds: 0, .planned(item))) }

    mutating func add(_ body: HistoryEvent.Body) {
        events.append(HistoryEvent(atNanoseconds: now, body))
        now += 1_000_000
    }

    mutating func wait(milliseconds: Int64) { now += milliseconds * 1_000_000 }

    static func value(_ sequence: Int, producer: Int = 0) -> ValueID {
        ValueID(producer: producer, sequence: sequence)
    }

    static func hash(_ sequence: Int) -> UInt64 { BodyHash.of("body \(sequence)".utf8) }

    /// Begins an attempt and returns its operation.
    @discardableResult
    mutating func invoke(_ sequence: Int, producer: Int = 0) -> Int {
        operation += 1
        add(
            .invoke(
                SendInvocation(
                    operation: operation, value: Self.value(sequence, producer: producer), topic: "first-message",
                    bodyHash: Self.hash(sequence), bodyBytes: 128)))
        return operation
    }

    mutating func complete(
        _ operation: Int, _ outcome: SendOutcome, offset: Int64? = nil, queue: Int = 0, broker: String = "broker-a",
        offsetID: String? = nil
    ) {
        let stored = offset.map {
            StoredAt(
                broker: broker, queueID: queue, queueOffset: $0, uniqueID: String(repeating: "A", count: 32),
                offsetID: offsetID ?? Self.offsetID(log: $0 * 300))
        }
        let status: [SendOutcome: String] = [
            .ok: "SEND_OK", .weak: "FLUSH_DISK_TIMEOUT", .fail: "connection-refused", .info: "timeout",
        ]
        add(
            .complete(
                SendCompletion(
                    operation: operation, outcome: outcome, status: status[outcome] ?? "", stored: stored)))
    }

    /// 198.18.0.12:10911 and a place in the log.
    static func offsetID(log: Int64) -> String {
        let digits = String(log, radix: 16, uppercase: true)
        return "C612000C00002A9F" + String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// An attempt and its completion.
    mutating func send(
        _ sequence: Int, _ outcome: SendOutcome = .ok, offset: Int64? = nil, queue: Int = 0, broker: String = "broker-a"
    ) {
        complete(invoke(sequence), outcome, offset: offset, queue: queue, broker: broker)
    }

    mutating func deliver(
        _ sequence: Int?, offset: Int64, run: String? = Tale.runID, hash: UInt64? = nil, assignment: Int = 1,
        consumer: Int = 0, broker: String = "broker-a", queue: Int = 0, isDrain: Bool = false
    ) {
        add(
            .deliver(
                Delivery(
                    consumer: isDrain ? 9 : consumer, assignment: assignment, broker: broker, queueID: queue,
                    queueOffset: offset, value: sequence.map { Self.value($0) }, runID: run,
                    bodyHash: hash ?? Self.hash(sequence ?? 0), isDrain: isDrain)))
    }

    mutating func fault(
        _ edge: FaultEdge.Edge, uid: String = "crash", target: String = "broker-a on n2", detail: String = ""
    ) {
        add(
            .fault(
                FaultEdge(uid: uid, kind: "process-signal", target: target, edge: edge, detail: detail, planID: uid)))
    }

    mutating func drain(
        first: Int64 = 0, reached: Int64, max: Int64, messages: Int? = nil, complete: Bool = true,
        broker: String = "broker-a", queue: Int = 0
    ) {
        add(
            .drained(
                QueueDrain(
                    broker: broker, queueID: queue, firstOffset: first, reachedOffset: reached, maxOffset: max,
                    messages: messages, complete: complete, detail: complete ? "" : "15 s were over")))
    }

    /// A log that holds these values at their own numbers as offsets, and `unseen` records that the history has elsewhere
    /// or not at all.
    mutating func scan(
        _ sequences: [Int], replica: String = "broker-a", checksum: Bool = true, complete: Bool = true,
        run: String = Tale.runID, unseen: Int = 0
    ) {
        for sequence in sequences {
            add(
                .scanned(
                    ScannedRecord(
                        replica: replica, queueID: 0, queueOffset: Int64(sequence), logOffset: Int64(sequence) * 300,
                        value: Self.value(sequence), runID: run, checksumAgrees: checksum)))
        }
        add(
            .scanEnded(
                ReplicaScan(
                    replica: replica, records: sequences.count + unseen, endOffset: Int64(sequences.count) * 300,
                    complete: complete, detail: complete ? "" : "input/output error")))
    }

    /// A record at a place of its own.
    mutating func record(
        _ sequence: Int, offset: Int64, replica: String = "broker-a", checksum: Bool = true, run: String = Tale.runID
    ) {
        add(
            .scanned(
                ScannedRecord(
                    replica: replica, queueID: 0, queueOffset: offset, logOffset: offset * 300,
                    value: Self.value(sequence), runID: run, checksumAgrees: checksum)))
    }

    /// - Parameter lines: what the last line says that there are; as many as there are unless told otherwise.
    mutating func end(completed: Bool = true, lines: Int? = nil, isInterrupted: Bool = false) {
        let count = lines ?? events.count + 1
        let detail = completed ? "" : isInterrupted ? "interrupted by whoever started it" : "ssh to n2 was cut"
        add(.end(RunEnd(completed: completed, detail: detail, lines: count, isInterrupted: isInterrupted)))
    }

    /// Messages 0, 1, 2 sent and delivered before a fault that an attempt (3, refused) ran into, 4 after it.
    static func healthy() -> Tale {
        var tale = Tale(faults: ["crash"])
        tale.begin()
        tale.crash()
        return tale
    }

    mutating func begin() {
        add(.phase("baseline"))
        for sequence in 0..<3 {
            send(sequence, offset: Int64(sequence))
            deliver(sequence, offset: Int64(sequence))
        }
    }

    mutating func crash(uid: String = "crash", _ during: (inout Tale) -> Void = { $0.send(3, .fail) }) {
        add(.phase("fault"))
        fault(.armed, uid: uid)
        fault(.active, uid: uid)
        during(&self)
        fault(.healed, uid: uid)
        add(.phase("recovery"))
    }

    /// Drain, scan and end of a healthy run whose log holds these.
    mutating func finish(_ sequences: [Int]) {
        drain(reached: Int64(sequences.count), max: Int64(sequences.count))
        scan(sequences)
        end()
    }

    func judge(_ rules: Rules = .all) -> Verdict {
        var judge = HistoryJudge(promises: promises, rules: rules)
        for (index, event) in events.enumerated() { judge.consume(event, line: index + 1) }
        judge.consume(ending)
        return judge.verdict()
    }
}
