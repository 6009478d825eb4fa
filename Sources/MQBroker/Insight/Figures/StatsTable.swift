import MQWire

/// What was sent and consumed, by topic and group, under RocketMQ's names. Pure: time is passed in.
///
/// Keys are a topic, or `topic@group`; the broker's own are its cluster's name. What a deleted topic counted goes with it.
struct StatsTable: Sendable {
    /// What is counted.
    enum Name: String, Sendable, CaseIterable {
        case topicPutCount = "TOPIC_PUT_NUMS"
        case topicPutBytes = "TOPIC_PUT_SIZE"
        case groupGetCount = "GROUP_GET_NUMS"
        case groupGetBytes = "GROUP_GET_SIZE"
        case sentBackCount = "SNDBCK_PUT_NUMS"
        case brokerPutCount = "BROKER_PUT_NUMS"
        case brokerGetCount = "BROKER_GET_NUMS"
    }

    private struct Key: Hashable, Sendable {
        var name: Name
        var key: String
    }

    /// Keys at most; beyond, new ones are not counted. Topics and groups are the clients' to name.
    static let limit = 100_000

    private var windows: [Key: RateWindow] = [:]
    /// How long stores of messages took.
    var putTimes = PutTimes()

    /// A group's key for a topic.
    static func key(topic: String, group: String) -> String { "\(topic)@\(group)" }

    mutating func add(_ name: Name, _ key: String, _ value: Int64, times: Int64 = 1, now: Int64) {
        let key = Key(name: name, key: key)
        if let index = windows.index(forKey: key) { return windows.values[index].add(value, times: times) }
        guard windows.count < Self.limit else { return }
        var window = RateWindow(now: now)
        window.add(value, times: times)
        windows[key] = window
    }

    /// Takes the samples that are due; to be called every ten seconds.
    mutating func sample(now: Int64) {
        for key in windows.keys { windows[key]?.sample(now: now) }
        putTimes.turn(now: now)
    }

    /// What was counted; `nil` when it never was.
    subscript(name: Name, key: String) -> RateWindow? { windows[Key(name: name, key: key)] }

    /// What a group consumes of a topic, messages per second over the last minute.
    func consumed(topic: String, group: String, now: Int64) -> Double {
        self[.groupGetCount, Self.key(topic: topic, group: group)]?.figures(.minute, now: now).perSecond ?? 0
    }

    mutating func forget(topic: String) {
        windows = windows.filter { $0.key.key != topic && !$0.key.key.hasPrefix("\(topic)@") }
    }

    /// RocketMQ's `BrokerStatsData`.
    static func json(_ window: RateWindow, now: Int64) -> JSONValue {
        func item(_ span: RateWindow.Span) -> JSONValue {
            let figures = window.figures(span, now: now)
            return [
                "avgpt": .number(figures.average), "sum": .integer(figures.sum), "tps": .number(figures.perSecond),
            ]
        }
        return ["statsDay": item(.day), "statsHour": item(.hour), "statsMinute": item(.minute)]
    }
}
