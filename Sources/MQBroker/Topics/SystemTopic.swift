/// The names RocketMQ reserves for itself.
enum SystemTopic {
    /// Automatic topics take their settings from this one.
    static let automaticModel = "TBW102"
    static let selfTest = "SELF_TEST_TOPIC"
    static let benchmark = "BenchmarkTest"
    static let offsetMoved = "OFFSET_MOVED_EVENT"
    static let schedule = "SCHEDULE_TOPIC_XXXX"
    /// Half messages of transactions.
    static let half = "RMQ_SYS_TRANS_HALF_TOPIC"
    /// Which transactions have ended: each message names a half's queue offset.
    static let operations = "RMQ_SYS_TRANS_OP_HALF_TOPIC"
    /// Messages whose transactions were given up.
    static let unanswered = "TRANS_CHECK_MAX_TIME_TOPIC"
    /// The group whose offsets say how far half messages and their ends were read.
    static let transactionGroup = "CID_RMQ_SYS_TRANS"
    /// What only the broker writes.
    static let brokersOwn: Set<String> = [schedule, half, operations, unanswered, selfTest, offsetMoved]
    /// Where clients write what became of their messages.
    static let trace = "RMQ_SYS_TRACE_TOPIC"

    /// All that is the system's on a broker.
    static func all(_ configuration: BrokerConfiguration) -> Set<String> {
        brokersOwn.union([
            automaticModel, selfTest, benchmark, offsetMoved, trace, configuration.clusterName,
            configuration.brokerName, configuration.clusterName + "_REPLY_TOPIC",
        ])
    }

    /// Begins the names of what RocketMQ may yet make for itself.
    static let reservedPrefix = "rmq_sys_"

    /// Why nobody may change or delete a topic: without it delays, transactions or automatic topics would end.
    static func isReserved(_ name: String, _ configuration: BrokerConfiguration) -> String? {
        guard all(configuration).contains(name) || name.hasPrefix(reservedPrefix) else { return nil }
        return "The topic[\(name)] is conflict with system topic."
    }

    static let retryPrefix = "%RETRY%"
    static let deadLetterPrefix = "%DLQ%"
    /// The longest name a producer may use.
    static let maximumNameBytes = 127

    /// A topic for messages that a group has to consume again.
    static func retry(_ group: String) -> String { retryPrefix + group }
    /// A topic for messages that a group could not consume.
    static func deadLetter(_ group: String) -> String { deadLetterPrefix + group }

    /// Why a producer may not use the name; `nil` when it may.
    static func objection(to name: String) -> String? {
        if name.isEmpty { return "the topic is empty" }
        if name.utf8.count > maximumNameBytes {
            return "the topic has \(name.utf8.count) bytes (at most \(maximumNameBytes))"
        }
        let isAllowed = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "%"), UInt8(ascii: "|"), UInt8(ascii: "-"),
                UInt8(ascii: "_"):
                true
            default: false
            }
        }
        if !isAllowed { return "the topic '\(name)' holds characters other than letters, digits, %, |, - and _" }
        if name == automaticModel { return "the topic \(name) is reserved for the system" }
        return nil
    }
}
