import LabHistory
import Testing

/// The streaming judge against a second opinion: plain sets over the whole history, by the definitions themselves.
///
/// Fault model: a broker with one log in four queues that at random answers `ok`, `weak`, `fail` or not at all, stores
/// or does not store whatever it answered, stores twice, damages bodies and records, invents messages, and forgets
/// some; a reader that at random skips what is stored. The seed is printed with a failure.
@Suite struct RandomHistoryTests {
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        /// Source: S. Vigna, SplitMix64.
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }

        mutating func chance(_ percent: Int) -> Bool { Int(next() % 100) < percent }
    }

    private struct Stored {
        var value: ValueID
        var queue: Int
        var offset: Int64
        var hash: UInt64
    }

    private static func history(seed: UInt64) -> [HistoryEvent] {
        var random = Generator(state: seed)
        var events: [HistoryEvent] = []
        func add(_ body: HistoryEvent.Body) {
            events.append(HistoryEvent(atNanoseconds: Int64(events.count) * 1_000_000, body))
        }
        add(
            .run(
                RunHeader(
                    formatVersion: 2, runID: "r", seed: seed, startedAtMilliseconds: 0, topic: "t",
                    plan: PlanSize(faults: 0, scans: 1))))
        add(.planned(.scan(PlannedScan(replica: "b", broker: "b"))))
        var ends: [Int64] = [0, 0, 0, 0]
        var log: [Stored] = []
        let rate = Int(random.next() % 12)
        for operation in 0..<120 {
            let value = ValueID(producer: operation % 3, sequence: operation / 3)
            let hash = random.next()
            add(.invoke(SendInvocation(operation: operation, value: value, topic: "t", bodyHash: hash, bodyBytes: 9)))
            let outcome: SendOutcome? =
                random.chance(rate) ? [SendOutcome.weak, .fail, .info, nil].randomElement(using: &random) ?? nil : .ok
            let isStored =
                outcome == .ok ? !random.chance(rate) : outcome == .fail ? random.chance(rate) : random.chance(50)
            let queue = Int(random.next() % 4)
            let offset = ends[queue]
            for _ in 0..<(isStored ? (random.chance(rate) ? 2 : 1) : 0) {
                let body = random.chance(rate / 2) ? hash &+ 1 : hash
                log.append(Stored(value: value, queue: queue, offset: ends[queue], hash: body))
                ends[queue] += 1
            }
            if !isStored { ends[queue] += 1 }
            guard let outcome else { continue }
            let stored =
                outcome == .ok || outcome == .weak
                ? StoredAt(broker: "b", queueID: queue, queueOffset: offset, uniqueID: "", offsetID: "") : nil
            add(.complete(SendCompletion(operation: operation, outcome: outcome, status: "", stored: stored)))
        }
        for (place, stored) in log.enumerated() where !random.chance(rate) {
            for _ in 0..<(random.chance(rate) ? 2 : 1) {
                add(
                    .deliver(
                        Delivery(
                            consumer: 0, assignment: place * 2 + events.count, broker: "b", queueID: stored.queue,
                            queueOffset: stored.offset, value: stored.value,
                            runID: random.chance(rate / 2) ? "other" : "r", bodyHash: stored.hash)))
            }
        }
        let reached = random.chance(30) ? Int64(random.next() % 40) : .max
        for queue in 0..<4 {
            let end = min(ends[queue], reached)
            add(
                .drained(
                    QueueDrain(
                        broker: "b", queueID: queue, reachedOffset: end, maxOffset: ends[queue],
                        complete: end == ends[queue], detail: "")))
        }
        var scanned = 0
        for stored in log where !random.chance(rate) {
            scanned += 1
            add(
                .scanned(
                    ScannedRecord(
                        replica: "b", queueID: stored.queue, queueOffset: stored.offset, logOffset: 0,
                        value: stored.value, runID: "r", checksumAgrees: !random.chance(rate))))
        }
        add(
            .scanEnded(
                ReplicaScan(replica: "b", records: scanned, endOffset: 0, complete: !random.chance(20), detail: "")))
        add(.end(RunEnd(completed: true, detail: "")))
        return events
    }

    /// What sets say, each class by its own definition.
    private static func secondOpinion(_ events: [HistoryEvent]) -> [AnomalyClass: Int] {
        var values: [Int: ValueID] = [:]
        var hashes: [ValueID: UInt64] = [:]
        var outcomes: [ValueID: SendOutcome] = [:]
        var places: [ValueID: StoredAt] = [:]
        // Where each value is known to stand, and where it was delivered from.
        var standing: [ValueID: Set<[Int64]>] = [:]
        var read: [ValueID: Set<[Int64]>] = [:]
        var inLog: [ValueID: Set<[Int64]>] = [:]
        var delivered: [ValueID: Int] = [:]
        var scanned: Set<ValueID> = []
        var drains: [Int: QueueDrain] = [:]
        var isScanned = false
        var counts: [AnomalyClass: Int] = [:]
        for event in events {
            switch event.body {
            case .invoke(let send):
                values[send.operation] = send.value
                hashes[send.value] = send.bodyHash
            case .complete(let done):
                guard let value = values[done.operation] else { continue }
                outcomes[value] = done.outcome
                places[value] = done.stored
                if let stored = done.stored {
                    standing[value, default: []].insert([Int64(stored.queueID), stored.queueOffset])
                }
            case .deliver(let delivery):
                guard let value = delivery.value, delivery.runID == "r" else {
                    counts[.unexpected, default: 0] += 1
                    continue
                }
                if delivery.bodyHash != hashes[value] { counts[.corrupted, default: 0] += 1 }
                if delivered[value] != nil { counts[.duplicated, default: 0] += 1 }
                delivered[value, default: 0] += 1
                standing[value, default: []].insert([Int64(delivery.queueID), delivery.queueOffset])
                read[value, default: []].insert([Int64(delivery.queueID), delivery.queueOffset])
            case .scanned(let record):
                guard record.checksumAgrees, let value = record.value else {
                    counts[.damaged, default: 0] += 1
                    continue
                }
                scanned.insert(value)
                let place = [Int64(record.queueID), record.queueOffset]
                inLog[value, default: []].insert(place)
                if standing[value]?.contains(place) == false { counts[.duplicated, default: 0] += 1 }
                standing[value, default: []].insert(place)
            case .drained(let drain): drains[drain.queueID] = drain
            case .scanEnded(let scan): isScanned = scan.complete
            default: break
            }
        }
        for value in hashes.keys {
            switch outcomes[value] {
            case .ok:
                if let place = places[value].map({ [Int64($0.queueID), $0.queueOffset] }), let from = read[value],
                    !from.contains(place), inLog[value]?.contains(place) == true
                {
                    counts[.duplicated, default: 0] += 1
                }
                guard delivered[value] == nil, let place = places[value], let drain = drains[place.queueID] else {
                    continue
                }
                let isRead = drain.complete || place.queueOffset < drain.reachedOffset
                let anomaly: AnomalyClass =
                    !isRead ? .unseen : scanned.contains(value) ? .undelivered : isScanned ? .lost : .undecided
                counts[anomaly, default: 0] += 1
            case .fail:
                if delivered[value] != nil || scanned.contains(value) { counts[.unexpected, default: 0] += 1 }
            case .weak, .info, nil: if delivered[value] != nil { counts[.recovered, default: 0] += 1 }
            }
        }
        return counts
    }

    @Test(arguments: 0..<80)
    func agreesWithTheDefinitions(_ seed: Int) throws {
        let events = Self.history(seed: UInt64(seed))
        var judge = HistoryJudge(promises: Promises(lossAllowed: false))
        var lines = HistoryLines()
        try lines.feed(events.flatMap { HistoryFormat.encode($0) }) { (event, line) throws(HistoryError) in
            judge.consume(event, line: line)
        }
        judge.consume(lines.finish())
        let verdict = judge.verdict()
        var found: [AnomalyClass: Int] = [:]
        let aside: Set<AnomalyClass> = [.inconsistentOffset, .undrained, .unscanned]
        for finding in verdict.findings where !aside.contains(finding.anomaly) {
            found[finding.anomaly, default: 0] += finding.count
        }
        #expect(found == Self.secondOpinion(events), "seed \(seed)")
    }

    /// A generator that makes nothing bad would agree with anything.
    @Test func theGeneratorShowsEveryClass() {
        let seen = (0..<80).flatMap { Self.secondOpinion(Self.history(seed: UInt64($0))).keys }
        #expect(
            Set(seen) == [
                .lost, .undelivered, .unseen, .undecided, .recovered, .unexpected, .corrupted, .duplicated, .damaged,
            ])
    }
}
