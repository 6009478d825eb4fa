import MQTransport
import MQWire

/// The settings that change while the broker runs (request 25), until it ends: its file is the operator's to keep.
struct LiveSettings: Sendable, Equatable {
    /// What the broker as a whole allows, besides its topics (`brokerPermission`).
    var permission = TopicPermission.readWrite
    var autoCreateTopics: Bool
    var defaultTopicQueueNums: Int32
    var maximumMessageBytes: Int
    var longPolling: Bool
    var shortPolling: Duration
    var forcesRegistration: Bool
    var flushIntervalMilliseconds: Int64
    var transactionTimeout: Duration
    var transactionCheckLimit: Int

    /// Their keys.
    static let keys: Set<String> = [
        "brokerPermission", "autoCreateTopicEnable", "defaultTopicQueueNums", "maxMessageSize", "longPollingEnable",
        "shortPollingTimeMills", "forceRegister", "flushIntervalCommitLog", "transactionTimeOut", "transactionCheckMax",
    ]

    init(_ configuration: BrokerConfiguration) {
        autoCreateTopics = configuration.autoCreateTopics
        defaultTopicQueueNums = configuration.defaultTopicQueueNums
        maximumMessageBytes = configuration.maximumMessageBytes
        longPolling = configuration.longPolling
        shortPolling = configuration.shortPolling
        forcesRegistration = configuration.forcesRegistration
        flushIntervalMilliseconds = configuration.flushIntervalMilliseconds
        transactionTimeout = configuration.transactionTimeout
        transactionCheckLimit = configuration.transactionCheckLimit
    }

    /// Takes changes, all or none; throws for a key that is unknown or fixed, and for a value that is not accepted.
    mutating func change(_ entries: [PropertiesFile.Entry]) throws(ConfigurationError) {
        for entry in entries {
            let objection = Settings.objection(
                toSetting: entry.key, changeable: Self.keys, known: BrokerConfiguration.knownKeys,
                ignored: BrokerConfiguration.ignoredKeys, of: "broker")
            if let objection { throw ConfigurationError(file: "the request", line: entry.line, problem: objection) }
        }
        var settings = Settings(
            file: nil,
            commandLine: Dictionary(entries.map { ($0.key, $0.value) }, uniquingKeysWith: { _, last in last }),
            source: "the request")
        var changed = self
        let bits: Int32 = try settings.integer("brokerPermission", in: 0...7, default: permission.rawValue)
        changed.permission = TopicPermission(rawValue: bits)
        changed.autoCreateTopics = try settings.bool("autoCreateTopicEnable", default: autoCreateTopics)
        changed.defaultTopicQueueNums = try settings.integer(
            "defaultTopicQueueNums", in: 1...1024, default: defaultTopicQueueNums)
        changed.maximumMessageBytes = try settings.integer(
            "maxMessageSize", in: 1...(16 << 20), default: maximumMessageBytes)
        changed.longPolling = try settings.bool("longPollingEnable", default: longPolling)
        changed.shortPolling = try settings.milliseconds("shortPollingTimeMills", default: shortPolling)
        changed.forcesRegistration = try settings.bool("forceRegister", default: forcesRegistration)
        changed.flushIntervalMilliseconds = try settings.integer(
            "flushIntervalCommitLog", in: 1...60_000, default: flushIntervalMilliseconds)
        changed.transactionTimeout = try settings.milliseconds("transactionTimeOut", default: transactionTimeout)
        changed.transactionCheckLimit = try settings.integer(
            "transactionCheckMax", in: 1...10_000, default: transactionCheckLimit)
        self = changed
    }
}
