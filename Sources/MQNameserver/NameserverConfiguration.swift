public import MQTransport

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
        "rocketmqHome", "kvConfigPath", "configStorePath", "productEnvName", "clusterTest", "orderMessageEnable",
        "serverCallbackExecutorThreads", "serverSelectorThreads", "serverOnewaySemaphoreValue",
        "serverAsyncSemaphoreValue", "serverChannelMaxIdleTimeSeconds", "serverSocketSndBufSize",
        "serverSocketRcvBufSize", "serverPooledByteBufAllocatorEnable", "useEpollNativeSelector",
    ]

    /// Reads the settings; throws on a bad value.
    public init(settings: inout Settings) throws(ConfigurationError) {
        self.init()
        bindAddress = settings.string("bindAddress", default: bindAddress)
        listenPort = try settings.integer("listenPort", in: 0...65535, default: listenPort)
        scanInterval = try settings.milliseconds("scanNotActiveBrokerInterval", default: scanInterval)
        brokerExpiry = try settings.milliseconds("brokerExpiredTime", default: brokerExpiry)
        connectionBufferBytes = try settings.integer(
            "serverMaxBufferedBytes", in: (1 << 20)...(1 << 40), default: connectionBufferBytes)
        threads = try settings.integer("serverWorkerThreads", in: 1...64, default: threads)
    }
}
