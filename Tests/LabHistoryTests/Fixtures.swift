import LabHistory
import Testing

/// A history with what a judge must make of it.
struct Fixture: Sendable, CustomTestStringConvertible {
    var name: String
    var status: VerdictStatus
    /// Findings by class, with their counts; nothing else may be found but `outage`, unless it is named.
    var finds: [AnomalyClass: Int]
    var tell: @Sendable (inout Tale) -> Void
    var tale: @Sendable () -> Tale = { Tale.healthy() }

    var testDescription: String { name }

    func told() -> Tale {
        var tale = self.tale()
        tell(&tale)
        return tale
    }
}

extension Fixture {
    static let all = legal + losses + strays + orders + proofs + drains + places + plans + tails + lives + edges

    /// Legal runs, and legal look-alikes of anomalies.
    static let legal: [Fixture] = [
        Fixture(name: "a healthy run", status: .pass, finds: [:]) { $0.finish([0, 1, 2]) },
        Fixture(name: "a message delivered after the fault", status: .pass, finds: [:]) { tale in
            tale.send(4, offset: 3)
            tale.deliver(4, offset: 3)
            tale.drain(reached: 4, max: 4)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(
            name: "a delivered time-out is recovered, no stray and no duplicate", status: .pass, finds: [.recovered: 1]
        ) {
            tale in
            tale.send(4, .info)
            tale.deliver(4, offset: 3)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "an attempt without any answer, delivered", status: .pass, finds: [.recovered: 1]) { tale in
            tale.invoke(4)
            tale.deliver(4, offset: 3)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a weak answer, delivered", status: .pass, finds: [.recovered: 1]) { tale in
            tale.send(4, .weak, offset: 3)
            tale.deliver(4, offset: 3)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a weak answer is no promise", status: .pass, finds: [:]) { tale in
            tale.send(4, .weak, offset: 3)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "an unknown outcome, never seen again", status: .pass, finds: [:]) { tale in
            tale.send(4, .info)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a redelivery after a new assignment", status: .pass, finds: [.duplicated: 1]) { tale in
            tale.deliver(2, offset: 2, assignment: 2)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a retry stored twice", status: .pass, finds: [.duplicated: 1]) { tale in
            tale.send(4, .info)
            tale.send(4, offset: 4)
            tale.deliver(4, offset: 3)
            tale.deliver(4, offset: 4)
            tale.drain(reached: 5, max: 5)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "a retry after a refusal", status: .pass, finds: [:]) { tale in
            tale.send(4, .fail)
            tale.send(4, offset: 3)
            tale.deliver(4, offset: 3)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "delivered before the answer came", status: .pass, finds: [:]) { tale in
            let operation = tale.invoke(4)
            tale.deliver(4, offset: 3)
            tale.complete(operation, .ok, offset: 3)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "another run's records in the log", status: .pass, finds: [:]) { tale in
            tale.drain(reached: 3, max: 3)
            tale.scan([90, 91], replica: "broker-a", run: "r-0")
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "overlapping sends have no order", status: .pass, finds: [:]) { tale in
            let first = tale.invoke(4)
            let second = tale.invoke(5)
            tale.complete(first, .ok, offset: 4)
            tale.complete(second, .ok, offset: 3)
            tale.deliver(5, offset: 3)
            tale.deliver(4, offset: 4)
            tale.drain(reached: 5, max: 5)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "permitted loss is measured", status: .pass, finds: [.lost: 1]) { tale in
            tale.promises.lossAllowed = true
            tale.send(4, offset: 3)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "permitted loss, and its offset given out again", status: .pass, finds: [.lost: 2]) { tale in
            tale.promises.lossAllowed = true
            tale.send(4, offset: 3)
            tale.send(5, offset: 4)
            tale.send(3, offset: 3)
            tale.deliver(3, offset: 3)
            tale.finish([0, 1, 2, 3])
        },
        Fixture(name: "permitted loss seen by the reader, and its offset given out again", status: .pass, finds: [:]) {
            tale in
            tale.promises.lossAllowed = true
            tale.send(4, offset: 3)
            tale.deliver(4, offset: 3)
            tale.send(3, offset: 3)
            tale.deliver(3, offset: 3, assignment: 2)
            tale.finish([0, 1, 2, 3])
        },
    ]

    static let losses: [Fixture] = [
        Fixture(name: "lost", status: .fail, finds: [.lost: 1]) { tale in
            tale.send(4, offset: 3)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a damaged record is no survivor", status: .fail, finds: [.lost: 1, .damaged: 1]) { tale in
            tale.send(4, offset: 4)
            tale.drain(reached: 5, max: 5)
            tale.scan([0, 1, 2], replica: "broker-a")
            tale.scan([4], replica: "broker-a", checksum: false)
            tale.end()
        },
        Fixture(name: "in the log but never delivered", status: .fail, finds: [.undelivered: 1]) { tale in
            tale.send(4, offset: 4)
            tale.drain(reached: 5, max: 5)
            tale.scan([0, 1, 2, 4])
            tale.end()
        },
        Fixture(name: "a drain cut short", status: .inconclusive, finds: [.unseen: 1]) { tale in
            tale.send(4, offset: 3)
            tale.drain(reached: 3, max: 4, complete: false)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "a drain that says complete but is not", status: .inconclusive, finds: [.unseen: 1]) { tale in
            tale.send(4, offset: 3)
            tale.drain(reached: 3, max: 4)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "a queue that nobody drained", status: .inconclusive, finds: [.unseen: 1]) { tale in
            tale.send(4, offset: 0, queue: 3)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "no scan at all", status: .inconclusive, finds: [.undecided: 1]) { tale in
            tale.send(4, offset: 3)
            tale.drain(reached: 3, max: 3)
            tale.end()
        },
        Fixture(name: "a scan that could not go on", status: .inconclusive, finds: [.undecided: 1]) { tale in
            tale.send(4, offset: 3)
            tale.drain(reached: 3, max: 3)
            tale.scan([0, 1, 2], complete: false)
            tale.end()
        },
        Fixture(name: "two brokers, one scan", status: .inconclusive, finds: [.undecided: 1]) { tale in
            tale.send(4, offset: 0, broker: "broker-b")
            tale.drain(reached: 3, max: 3)
            tale.drain(reached: 0, max: 0, broker: "broker-b")
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "all delivered, and no log read", status: .inconclusive, finds: [.unscanned: 1]) { tale in
            tale.drain(reached: 3, max: 3)
            tale.end()
        },
        Fixture(name: "all delivered, and a drain that failed", status: .inconclusive, finds: [.undrained: 1]) { tale in
            tale.drain(reached: 3, max: -1, complete: false)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "a scan with a record missing", status: .inconclusive, finds: [.undecided: 1]) { tale in
            tale.send(4, offset: 3)
            tale.drain(reached: 4, max: 4)
            tale.scan([0, 1, 2], unseen: 1)
            tale.end()
        },
    ]

    static let strays: [Fixture] = [
        Fixture(name: "a value that nobody sent", status: .fail, finds: [.unexpected: 1]) { tale in
            tale.deliver(77, offset: 3)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a message without a value", status: .fail, finds: [.unexpected: 1]) { tale in
            tale.deliver(nil, offset: 3, run: nil)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "another run's message", status: .fail, finds: [.unexpected: 1]) { tale in
            tale.deliver(2, offset: 3, run: "r-0")
            tale.finish([0, 1, 2])
        },
        Fixture(name: "an aborted read", status: .fail, finds: [.unexpected: 1]) { tale in
            tale.deliver(3, offset: 3)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a refused message in the log", status: .fail, finds: [.unexpected: 1]) { tale in
            tale.finish([0, 1, 2, 3])
        },
        Fixture(name: "an invented record in the log", status: .fail, finds: [.unexpected: 1]) { tale in
            tale.finish([0, 1, 2, 77])
        },
        Fixture(name: "another body", status: .fail, finds: [.corrupted: 1]) { tale in
            tale.send(4, offset: 3)
            tale.deliver(4, offset: 3, hash: 1)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "another body the second time", status: .fail, finds: [.corrupted: 1, .duplicated: 1]) { tale in
            tale.deliver(2, offset: 2, hash: 1, assignment: 2)
            tale.finish([0, 1, 2])
        },
    ]

    static let orders: [Fixture] = [
        Fixture(
            name: "one offset, two values delivered", status: .fail, finds: [.inconsistentOffset: 1, .recovered: 1]
        ) { tale in
            tale.send(4, .info)
            tale.deliver(4, offset: 2, assignment: 2)
            tale.finish([0, 1])
        },
        Fixture(name: "one offset, another value in the log", status: .fail, finds: [.inconsistentOffset: 1]) { tale in
            tale.send(4, offset: 3)
            tale.deliver(4, offset: 3)
            tale.send(5, .info)
            tale.drain(reached: 4, max: 4)
            tale.record(5, offset: 3)
            tale.scan([0, 1, 2], unseen: 1)
            tale.end()
        },
        Fixture(name: "a later send, a smaller offset", status: .fail, finds: [.nonMonotonicSend: 1]) { tale in
            tale.send(4, offset: 4)
            tale.send(5, offset: 3)
            tale.deliver(5, offset: 3)
            tale.deliver(4, offset: 4)
            tale.drain(reached: 5, max: 5)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "an offset missed", status: .fail, finds: [.pollSkip: 1]) { tale in
            tale.send(4, offset: 4)
            tale.deliver(4, offset: 4)
            tale.drain(reached: 5, max: 5)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "back inside one assignment", status: .fail, finds: [.backwardPoll: 1, .duplicated: 1]) { tale in
            tale.deliver(1, offset: 1)
            tale.finish([0, 1, 2])
        },
    ]

    static let proofs: [Fixture] = [
        Fixture(name: "an empty history", status: .inconclusive, finds: [.runIncomplete: 1, .emptyHistory: 1]) {
            _ in
        } tale: {
            Tale(header: false)
        },
        Fixture(name: "nothing sent", status: .inconclusive, finds: [.emptyHistory: 1]) {
            $0.end()
        } tale: {
            Tale()
        },
        Fixture(name: "nothing acknowledged", status: .inconclusive, finds: [.emptyHistory: 1]) { tale in
            tale.send(0, .fail)
            tale.finish([])
        } tale: {
            Tale()
        },
        Fixture(name: "no last line", status: .inconclusive, finds: [.runIncomplete: 1]) { tale in
            tale.drain(reached: 3, max: 3)
            tale.scan([0, 1, 2])
        },
        Fixture(name: "a torn last line", status: .inconclusive, finds: [.runIncomplete: 1]) { tale in
            tale.drain(reached: 3, max: 3)
            tale.ending = .torn(line: 30, bytes: 12)
        },
        Fixture(name: "the lab broke", status: .error, finds: [.labBroke: 1]) { $0.end(completed: false) },
        Fixture(name: "a completion out of nowhere", status: .error, finds: [.malformed: 1]) { tale in
            tale.complete(999, .ok, offset: 9)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a value far out of its sequence", status: .error, finds: [.malformed: 1]) { tale in
            tale.invoke(1 << 40)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "an event after the end", status: .error, finds: [.malformed: 1]) { tale in
            tale.finish([0, 1, 2])
            tale.add(.phase("encore"))
        },
        Fixture(name: "whoever started it broke it off", status: .inconclusive, finds: [.runIncomplete: 1]) { tale in
            tale.end(completed: false, isInterrupted: true)
        },
        Fixture(name: "a line is missing", status: .error, finds: [.malformed: 1]) { tale in
            tale.drain(reached: 3, max: 3)
            tale.scan([0, 1, 2])
            tale.end(lines: 99)
        },
        Fixture(
            name: "what a damaged history shows may be its damage", status: .error,
            finds: [.malformed: 1, .pollSkip: 1, .duplicated: 1]
        ) { tale in
            tale.deliver(2, offset: 9)
            tale.complete(999, .ok, offset: 9)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a fault that the host refused", status: .inconclusive, finds: [.faultUnproven: 1]) { tale in
            tale.fault(.asked, uid: "wind")
            tale.fault(.refused, uid: "wind")
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a fault that did not bite", status: .inconclusive, finds: [.faultUnproven: 1]) { tale in
            tale.fault(.armed, uid: "wind")
            tale.fault(.didNotBite, uid: "wind")
            tale.fault(.healed, uid: "wind")
            tale.finish([0, 1, 2])
        },
        Fixture(
            name: "a fault that a later look found without effect", status: .inconclusive, finds: [.faultUnproven: 1]
        ) { tale in
            tale.fault(.armed, uid: "wind")
            tale.fault(.active, uid: "wind")
            tale.send(4, .fail)
            tale.fault(.didNotBite, uid: "wind")
            tale.fault(.healed, uid: "wind")
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a fault undone before it was seen", status: .inconclusive, finds: [.faultUnproven: 1]) { tale in
            tale.fault(.armed, uid: "wind")
            tale.fault(.healed, uid: "wind")
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a fault that could not be undone", status: .inconclusive, finds: [.faultUnproven: 1]) { tale in
            tale.fault(.armed, uid: "wind")
            tale.fault(.active, uid: "wind")
            tale.send(4, .fail)
            tale.fault(.stuck, uid: "wind")
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a fault without an end", status: .inconclusive, finds: [.faultUnproven: 1]) { tale in
            tale.fault(.armed, uid: "wind")
            tale.fault(.active, uid: "wind")
            tale.send(4, .fail)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a fault that was only armed", status: .inconclusive, finds: [.faultUnproven: 1]) { tale in
            tale.fault(.armed, uid: "wind")
            tale.finish([0, 1, 2])
        },
        Fixture(name: "an empty window", status: .inconclusive, finds: [.emptyWindow: 1]) { tale in
            tale.fault(.armed, uid: "wind")
            tale.fault(.active, uid: "wind")
            tale.fault(.healed, uid: "wind")
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a send that hung through the whole window is load", status: .pass, finds: [:]) { tale in
            let operation = tale.invoke(4)
            tale.fault(.armed, uid: "wind")
            tale.fault(.active, uid: "wind")
            tale.fault(.healed, uid: "wind")
            tale.complete(operation, .info)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a loss beside a gap stays a failure", status: .fail, finds: [.lost: 1, .faultUnproven: 1]) {
            tale in
            tale.fault(.armed, uid: "wind")
            tale.fault(.didNotBite, uid: "wind")
            tale.send(4, offset: 3)
            tale.finish([0, 1, 2])
        },
    ]
}
