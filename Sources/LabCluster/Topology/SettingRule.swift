/// What the value of a broker's setting may be, for RocketMQ's keys whose values are words or numbers. Pure.
///
/// The daemon checks its own configuration, too; here a mode's mistake is found in the mode's file, before anything is
/// deployed. Keys that are not here are the daemon's business.
enum SettingRule: Sendable {
    case word([String])
    case flag
    case number(ClosedRange<Int64>)

    /// Source: RocketMQ 4.9's `BrokerConfig`, `MessageStoreConfig` and `NettyServerConfig`.
    static let known: [String: SettingRule] = [
        "brokerRole": .word(["ASYNC_MASTER", "SYNC_MASTER", "SLAVE"]),
        "flushDiskType": .word(["ASYNC_FLUSH", "SYNC_FLUSH"]),
        // Ours; RocketMQ 4.9 has none.
        "failoverPolicy": .word(["none", "heartbeat", "etcd"]),
        "roleWhenMaster": .word(["ASYNC_MASTER", "SYNC_MASTER"]),
        "minInSyncReplicas": .number(1...16), "leaseTimeMills": .number(2000...600_000),
        "autoCreateTopicEnable": .flag, "longPollingEnable": .flag, "messageIndexEnable": .flag,
        "checkCRCOnRead": .flag, "slaveReadEnable": .flag, "forceRegister": .flag,
        "brokerId": .number(0...Int64(Int32.max)),
        "listenPort": .number(1...65535), "haListenPort": .number(1...65535),
        "mappedFileSizeCommitLog": .number(1 << 20...1 << 31), "mappedFileSizeConsumeQueue": .number(20...1 << 30),
        "mapedFileSizeCommitLog": .number(1 << 20...1 << 31), "mapedFileSizeConsumeQueue": .number(20...1 << 30),
        "flushIntervalCommitLog": .number(1...60_000), "syncFlushTimeout": .number(1...600_000),
        "registerNameServerPeriod": .number(1...86_400_000), "defaultTopicQueueNums": .number(1...1024),
        "maxMessageSize": .number(1...16 << 20), "fileReservedTime": .number(0...1 << 20),
        "maxHashSlotNum": .number(1...1 << 28), "maxIndexNum": .number(1024...1 << 30),
    ]

    /// What is wrong with a value, and what would be right; nil when nothing is.
    func complaint(_ value: String) -> String? {
        switch self {
        case .word(let words):
            words.contains { $0.lowercased() == value.lowercased() }
                ? nil : "'\(value)' is none of \(words.joined(separator: ", "))"
        case .flag:
            ["true", "false"].contains(value.lowercased()) ? nil : "'\(value)' is neither true nor false"
        case .number(let range):
            Int64(value).map(range.contains) == true
                ? nil : "'\(value)' is no whole number from \(range.lowerBound) to \(range.upperBound)"
        }
    }

    /// The first setting that is wrong, in the order of the keys.
    static func firstMistake(in settings: [String: String]) -> (key: String, text: String)? {
        for (key, value) in settings.sorted(by: { $0.key < $1.key }) {
            if let text = known[key]?.complaint(value) { return (key, text) }
        }
        return nil
    }
}
