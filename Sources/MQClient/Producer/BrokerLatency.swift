import MQWire

/// Which brokers a producer leaves alone for a while, because they were slow or failed. A value: time is passed in.
///
/// The slower an answer, the longer its broker is avoided; a failure counts as the slowest. Source: RocketMQ 4.9,
/// `MQFaultStrategy` and `LatencyFaultToleranceImpl`.
struct BrokerLatency: Sendable {
    /// From this latency on, in milliseconds, so long, in milliseconds.
    static let ladder: [(latency: Int64, pause: Int64)] = [
        (50, 0), (100, 0), (550, 30_000), (1000, 60_000), (2000, 120_000), (3000, 180_000), (15_000, 600_000),
    ]
    /// What a failure counts as, in milliseconds.
    static let failure: Int64 = 30_000

    private struct Entry: Sendable {
        var latency: Int64
        var availableAt: Int64
    }

    private var entries: [String: Entry] = [:]

    /// How long a broker is avoided after an answer that took so long; both in milliseconds.
    static func pause(after latency: Int64) -> Int64 { ladder.last { latency >= $0.latency }?.pause ?? 0 }

    /// Whether a failed send tells that its broker is in trouble: it is silent, or says so itself.
    ///
    /// A refusal that is about the message or the topic came as fast as it came.
    static func isFailure(_ error: MQClientError) -> Bool {
        switch error {
        case .unreachable, .noAnswer, .unreadableAnswer: true
        case .refused(_, let code, _):
            [.systemError, .systemBusy, .serviceNotAvailable].contains(ResponseCode(rawValue: code))
        default: false
        }
    }

    /// A send to the broker took so long, or failed (`nil`); both times in milliseconds.
    mutating func record(_ broker: String, latency: Int64?, now: Int64) {
        let counted = latency ?? Self.failure
        entries[broker] = Entry(latency: counted, availableAt: now + Self.pause(after: counted))
    }

    /// Whether the broker is not avoided.
    func isAvailable(_ broker: String, now: Int64) -> Bool { entries[broker].map { now >= $0.availableAt } ?? true }

    /// The queues to choose among: those of brokers that are not avoided, or else of the one that is the best of them.
    func choice(of queues: [MessageQueue], now: Int64) -> [MessageQueue] {
        let available = queues.filter { isAvailable($0.brokerName, now: now) }
        guard available.isEmpty else { return available }
        let best = Set(queues.map(\.brokerName)).min { left, right in
            let (first, second) = (entries[left], entries[right])
            return (first?.availableAt ?? 0, first?.latency ?? 0, left)
                < (second?.availableAt ?? 0, second?.latency ?? 0, right)
        }
        return queues.filter { $0.brokerName == best }
    }
}
