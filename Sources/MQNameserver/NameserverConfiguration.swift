public import MQTransport
public import SystemPackage

/// A nameserver's settings, from a `.properties` file with RocketMQ's keys and from the command line.
public struct NameserverConfiguration: Sendable, Equatable {
    /// The address to listen on.
    public var bindAddress: String
    /// The port to listen on; 0 lets the system choose.
    public var listenPort: Int
    /// How often silent brokers are looked for.
    public var scanInterval: Duration
    /// The silence after which a broker is dropped. Four missed heartbeats by default.
    public var brokerExpiry: Duration
    /// Whether routes carry the order of queues that the key-value store has for a topic.
    public var orderMessages = false
    /// The file of the key-value store; `nil` keeps it in memory.
    public var keyValueFile: FilePath?
    /// What all connections may hold together of frames in the making and unanswered requests, in bytes.
    public var connectionBufferBytes = ByteBudget.standardBytes
    /// Event-loop threads. One serves thousands of clients that poll every 30 s.
    public var threads: Int

    /// The protocol's defaults.
    public init(
        bindAddress: String = "0.0.0.0", listenPort: Int = 9876, scanInterval: Duration = .seconds(10),
        brokerExpiry: Duration = .seconds(120), threads: Int = 1
    ) {
        self.bindAddress = bindAddress
        self.listenPort = listenPort
        self.scanInterval = scanInterval
        self.brokerExpiry = brokerExpiry
        self.threads = threads
    }

    /// Keys of Apache's that mean nothing here and deserve no warning.
    public static let ignoredKeys: Set<String> = [
        "rocketmqHome", "configStorePath", "productEnvName", "clusterTest",
        "serverCallbackExecutorThreads", "serverSelectorThreads", "serverOnewaySemaphoreValue",
        "serverAsyncSemaphoreValue", "serverChannelMaxIdleTimeSeconds", "serverSocketSndBufSize",
        "serverSocketRcvBufSize", "serverPooledByteBufAllocatorEnable", "useEpollNativeSelector",
    ]

    /// The keys that a file may have.
    static let knownKeys: Set<String> = {
        var settings = Settings(file: nil)
        _ = try? NameserverConfiguration(settings: &settings)
        return settings.knownKeys
    }()

    /// Reads the settings; throws on a bad value.
    public init(settings: inout Settings) throws(ConfigurationError) {
        self.init()
        bindAddress = settings.string("bindAddress", default: bindAddress)
        listenPort = try settings.integer("listenPort", in: 0...65535, default: listenPort)
        scanInterval = try settings.milliseconds("scanNotActiveBrokerInterval", default: scanInterval)
        brokerExpiry = try settings.milliseconds("brokerExpiredTime", default: brokerExpiry)
        orderMessages = try settings.bool("orderMessageEnable", default: orderMessages)
        keyValueFile = settings.string("kvConfigPath").map { FilePath($0) }
        connectionBufferBytes = try settings.integer(
            "serverMaxBufferedBytes", in: (1 << 20)...(1 << 40), default: connectionBufferBytes)
        threads = try settings.integer("serverWorkerThreads", in: 1...64, default: threads)
    }

    /// The settings as a file has them, one a line: what request 319 gives.
    var text: String {
        let values: [(String, String)] = [
            ("bindAddress", bindAddress), ("listenPort", String(listenPort)),
            ("scanNotActiveBrokerInterval", String(scanInterval.wholeMilliseconds)),
            ("brokerExpiredTime", String(brokerExpiry.wholeMilliseconds)),
            ("orderMessageEnable", String(orderMessages)), ("kvConfigPath", keyValueFile.map { "\($0)" } ?? ""),
            ("serverMaxBufferedBytes", String(connectionBufferBytes)), ("serverWorkerThreads", String(threads)),
        ]
        return values.map { "\($0.0)=\($0.1)\n" }.joined()
    }

    /// What may change while the nameserver runs.
    static let changeableKeys: Set<String> = ["scanNotActiveBrokerInterval", "brokerExpiredTime", "orderMessageEnable"]
    /// What nobody may change from outside: whoever names a file could have any file written.
    static let pathKeys: Set<String> = ["kvConfigPath", "configStorePath"]

    /// Takes changed values over; throws on a bad one and on a key that may not be set, and then nothing is changed.
    mutating func change(_ entries: [PropertiesFile.Entry]) throws(ConfigurationError) {
        for entry in entries {
            let objection = Settings.objection(
                toSetting: entry.key, changeable: Self.changeableKeys, known: Self.knownKeys,
                ignored: Self.ignoredKeys, of: "nameserver")
            if let objection { throw ConfigurationError(file: "the request", line: entry.line, problem: objection) }
        }
        let values = Dictionary(entries.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
        var settings = Settings(file: nil, commandLine: values, source: "the request")
        var changed = self
        changed.scanInterval = try settings.milliseconds("scanNotActiveBrokerInterval", default: scanInterval)
        changed.brokerExpiry = try settings.milliseconds("brokerExpiredTime", default: brokerExpiry)
        changed.orderMessages = try settings.bool("orderMessageEnable", default: orderMessages)
        self = changed
    }
}

extension Duration {
    /// Whole milliseconds, as the settings are written.
    var wholeMilliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
