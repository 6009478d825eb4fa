import MQReplication
public import MQStore
public import MQTransport
import NIOCore
public import SystemPackage

/// What a broker is in its group.
public enum BrokerRole: String, Sendable, CaseIterable {
    /// A master that answers without waiting for a slave.
    case asyncMaster = "ASYNC_MASTER"
    /// A master whose answers promise a slave's copy; without a slave it says so.
    case syncMaster = "SYNC_MASTER"
    /// A copy of a master: serves reads, and takes no messages of its own.
    case slave = "SLAVE"
}

/// When a stored message is answered; the `.properties` spelling of ``MQStore/FlushPolicy``.
public enum FlushDiskType: String, Sendable, CaseIterable {
    /// After the sync.
    case sync = "SYNC_FLUSH"
    /// After the write.
    case async = "ASYNC_FLUSH"
}

/// A broker's settings, from a `.properties` file with RocketMQ's keys.
public struct BrokerConfiguration: Sendable {
    /// The cluster the broker belongs to.
    public var clusterName = "DefaultCluster"
    /// The name of the broker's group: a master and its slaves share it.
    public var brokerName = "broker-a"
    /// 0 for a master.
    public var brokerID: Int64 = 0
    /// What the broker is in its group.
    public var role = BrokerRole.asyncMaster
    /// How the group comes to its master.
    public var failover = GroupSettings()
    /// When a stored message is answered.
    public var flushDiskType = FlushDiskType.async
    /// The port clients use; the fast port is two below. 0 lets the system choose both.
    public var listenPort = 10911
    /// The port on which a master's slaves are served; 0 lets the system choose.
    public var haListenPort = 10912
    /// How often an idle link between master and slave is heard of (`haSendHeartbeatInterval`).
    public var haHeartbeat = Duration.seconds(5)
    /// The silence after which such a link is given up (`haHousekeepingInterval`).
    public var haSilence = Duration.seconds(20)
    /// The bytes of the log that a slave is sent at once (`haTransferBatchSize`).
    public var haBatchBytes = 256 << 10
    /// A slave that lacks more bytes than this counts as none (`haSlaveFallbehindMax`).
    public var haFurthestBehind: Int64 = 256 << 20
    /// Whether consumers are sent to a slave for what memory no longer has (`slaveReadEnable`); who comes is served.
    public var slaveReads = false
    /// The share of the machine's memory in percent that messages are thought to be in (`accessMessageInMemoryMaxRatio`):
    /// who wants older ones is sent to the slave.
    public var memoryPercent: Int64 = 40
    /// How often a slave takes over its master's tables (`slaveSyncPeriod`, ours).
    public var slaveSyncPeriod = Duration.seconds(10)
    /// The address to listen on.
    public var bindAddress = "0.0.0.0"
    /// The nameservers, `host:port` each.
    public var nameservers: [String] = []
    /// The address that clients are told and that records carry.
    public var brokerIP1 = "127.0.0.1"
    /// The address that slaves are told.
    public var brokerIP2 = "127.0.0.1"
    /// Where the store is.
    public var storeRoot = FilePath("store")
    /// Where the commit log is; below the root by default.
    public var commitLogDirectory: FilePath?
    /// The size of a commit log segment, in bytes.
    public var segmentBytes: Int64 = 1 << 30
    /// The size of a consume queue's file, in bytes; a multiple of 20.
    public var queueFileBytes: Int64 = 6_000_000
    /// How often an asynchronous store syncs, in milliseconds.
    public var flushIntervalMilliseconds: Int64 = 500
    /// How long an answer waits for a sync, in milliseconds.
    public var syncFlushTimeoutMilliseconds: Int64 = 5000
    /// An asynchronous flush of fewer pages than this may wait (`flushCommitLogLeastPages`) …
    public var flushLeastPages: Int64 = 0
    /// … for so long (`flushCommitLogThoroughInterval`).
    public var thoroughFlushIntervalMilliseconds: Int64 = 10_000
    /// Whether the log's next segment gets its space when it is made (`warmMapedFileEnable`).
    public var allocatesAhead = false
    /// How long messages are kept (`fileReservedTime`, `deleteWhen` in UTC, `diskMaxUsedSpaceRatio`).
    public var retention = RetentionPolicy()
    /// Whether the sum of each body is checked whenever it is read.
    public var checksOnRead = false
    /// Whether messages are found by their keys (`messageIndexEnable`).
    public var indexesKeys = true
    /// The hash slots of an index file (`maxHashSlotNum`).
    public var indexSlots = 5_000_000
    /// The entries of an index file (`maxIndexNum`).
    public var indexEntries = 20_000_000
    /// Whether sending to an unknown topic makes it.
    public var autoCreateTopics = true
    /// The queues of an automatic topic at most.
    public var defaultTopicQueueNums: Int32 = 8
    /// The largest body accepted, in bytes.
    public var maximumMessageBytes = 4 << 20
    /// Whether a pull is held for as long as the client asks.
    public var longPolling = true
    /// How long a pull is held without long polling.
    public var shortPolling = Duration.milliseconds(1000)
    /// How often the broker registers.
    public var registrationPeriod = Duration.seconds(30)
    /// How long one registration may take.
    public var registrationTimeout = Duration.seconds(6)
    /// Whether the topic table is sent compressed (`compressedRegister`).
    public var compressesRegistration = false
    /// Whether consumers may filter by properties (`enablePropertyFilter`).
    public var filtersByProperties = true
    /// Whether the topic table is sent at each heartbeat, even to a nameserver that has it.
    public var forcesRegistration = false
    /// How often consumers' offsets are saved.
    public var offsetSavePeriod = Duration.seconds(5)
    /// The silence after which a client is forgotten.
    public var clientExpiry = Duration.seconds(120)
    /// How often silent clients are looked for.
    public var clientScanPeriod = Duration.seconds(10)
    /// How often open transactions are looked at.
    public var transactionCheckInterval = Duration.seconds(60)
    /// How often due delayed messages are looked for; no key of a file.
    var delayTick = Duration.milliseconds(100)
    /// How old a half message is before its producer is asked.
    public var transactionTimeout = Duration.seconds(6)
    /// How often a producer is asked in vain before a message is given up.
    public var transactionCheckLimit = 15
    /// What all connections may hold together of frames in the making and unanswered requests, in bytes.
    public var connectionBufferBytes = ByteBudget.standardBytes
    /// Whether requests that waited too long are refused instead of served (`brokerFastFailureEnable`).
    public var failsFast = true
    /// How long a send may wait for the log's writer (`waitTimeMillsInSendQueue`).
    public var sendWait = Duration.milliseconds(200)
    /// How long a pull may wait for a thread (`waitTimeMillsInPullQueue`).
    public var pullWait = Duration.milliseconds(5000)
    /// How long the end of a transaction may wait for a thread (`waitTimeMillsInTransactionQueue`).
    public var transactionWait = Duration.milliseconds(3000)
    /// The sends that may wait for the log's writer (`sendThreadPoolQueueCapacity`).
    public var sendQueueCapacity = 10_000
    /// The pulls that may wait for a thread (`pullThreadPoolQueueCapacity`).
    public var pullQueueCapacity = 100_000
    /// The queries that may wait for a thread (`queryThreadPoolQueueCapacity`).
    public var queryQueueCapacity = 20_000
    /// The ends of transactions that may wait for a thread (`endTransactionPoolQueueCapacity`).
    public var transactionQueueCapacity = 100_000
    /// The port on which `GET /metrics` is answered; `nil` for none (`metricsPort`, 0 for none).
    public var metricsPort: Int?
    /// Event-loop threads.
    public var threads = 2

    /// RocketMQ's defaults.
    public init() {}

    /// Keys of Apache's that mean nothing here and deserve no warning.
    public static let ignoredKeys: Set<String> = [
        "rocketmqHome", "traceTopicEnable", "sendMessageThreadPoolNums", "pullMessageThreadPoolNums",
        "useReentrantLockWhenPutMessage", "osPageCacheBusyTimeOutMills",
    ]

    /// Keys of Apache's broker that change what it does, and nothing here, with their defaults: whoever sets one is told.
    static let keysWithoutEffect: [(key: String, value: String)] = [
        ("transientStorePoolEnable", "false"), ("storePathConsumeQueue", ""), ("storePathIndex", ""),
        ("storeCheckpoint", ""), ("abortFile", ""), ("autoCreateSubscriptionGroup", "true"),
        ("fetchNamesrvAddrByAddressServer", "false"), ("namesrvDomain", ""), ("messageDelayLevel", DelayLevels.words),
    ]

    /// The keys that a file may have.
    static let knownKeys: Set<String> = {
        var settings = Settings(file: nil)
        _ = try? BrokerConfiguration(settings: &settings)
        return settings.knownKeys
    }()

    /// Reads the settings; throws on a bad value.
    public init(settings: inout Settings) throws(ConfigurationError) {
        self.init()
        clusterName = settings.string("brokerClusterName", default: clusterName)
        brokerName = settings.string("brokerName", default: brokerName)
        brokerID = try settings.integer("brokerId", in: 0...Int64(Int32.max), default: brokerID)
        role = try settings.choice("brokerRole", default: role)
        flushDiskType = try settings.choice("flushDiskType", default: flushDiskType)
        listenPort = try settings.integer("listenPort", in: 0...65535, default: listenPort)
        if listenPort == 1 || listenPort == 2 {
            throw settings.bad("listenPort", accepted: "0, or 3 to 65535: the fast port is two below")
        }
        haListenPort = try settings.integer(
            "haListenPort", in: 0...65535, default: listenPort == 0 ? 0 : listenPort + 1)
        haHeartbeat = try settings.milliseconds("haSendHeartbeatInterval", default: haHeartbeat)
        haSilence = try settings.milliseconds("haHousekeepingInterval", default: haSilence)
        haBatchBytes = try settings.integer("haTransferBatchSize", in: 1024...(4 << 20) - 12, default: haBatchBytes)
        haFurthestBehind = try settings.integer(
            "haSlaveFallbehindMax", in: 1...Int64.max, default: haFurthestBehind)
        slaveReads = try settings.bool("slaveReadEnable", default: slaveReads)
        memoryPercent = try settings.integer("accessMessageInMemoryMaxRatio", in: 1...100, default: memoryPercent)
        slaveSyncPeriod = try settings.milliseconds("slaveSyncPeriod", default: slaveSyncPeriod)
        bindAddress = settings.string("bindAddress", default: bindAddress)
        nameservers = try Self.nameservers(&settings)
        failover = try GroupSettings(settings: &settings, role: role, nameservers: nameservers)
        try checkNumber(&settings)
        brokerIP1 = try Self.address("brokerIP1", default: HostAddresses.first ?? brokerIP1, &settings)
        brokerIP2 = try Self.address("brokerIP2", default: brokerIP1, &settings)
        storeRoot = FilePath(settings.string("storePathRootDir", default: storeRoot.string))
        commitLogDirectory = settings.string("storePathCommitLog").map { FilePath($0) }
        // RocketMQ's own files have two p; its literature, and settings of its oldest versions, one.
        settings.accept("mapedFileSizeCommitLog", as: "mappedFileSizeCommitLog")
        settings.accept("mapedFileSizeConsumeQueue", as: "mappedFileSizeConsumeQueue")
        segmentBytes = try settings.integer(
            "mappedFileSizeCommitLog", in: StoreConfiguration.minimumSegmentBytes...Int64(Int32.max),
            default: segmentBytes)
        queueFileBytes = try settings.integer("mappedFileSizeConsumeQueue", in: 20...(1 << 30), default: queueFileBytes)
        if queueFileBytes % 20 != 0 {
            throw settings.bad("mappedFileSizeConsumeQueue", accepted: "a multiple of 20, the size of an entry")
        }
        flushIntervalMilliseconds = try settings.integer(
            "flushIntervalCommitLog", in: 1...60_000, default: flushIntervalMilliseconds)
        syncFlushTimeoutMilliseconds = try settings.integer(
            "syncFlushTimeout", in: 1...600_000, default: syncFlushTimeoutMilliseconds)
        flushLeastPages = try settings.integer("flushCommitLogLeastPages", in: 0...(1 << 20), default: flushLeastPages)
        thoroughFlushIntervalMilliseconds = try settings.integer(
            "flushCommitLogThoroughInterval", in: 1...3_600_000, default: thoroughFlushIntervalMilliseconds)
        allocatesAhead = try settings.bool("warmMapedFileEnable", default: allocatesAhead)
        retention = try Self.retention(&settings)
        checksOnRead = try settings.bool("checkCRCOnRead", default: checksOnRead)
        indexesKeys = try settings.bool("messageIndexEnable", default: indexesKeys)
        // Enough for all keys of one message.
        indexSlots = try settings.integer("maxHashSlotNum", in: 1...(1 << 28), default: indexSlots)
        indexEntries = try settings.integer("maxIndexNum", in: 1024...(1 << 30), default: indexEntries)
        autoCreateTopics = try settings.bool("autoCreateTopicEnable", default: autoCreateTopics)
        defaultTopicQueueNums = try settings.integer(
            "defaultTopicQueueNums", in: 1...1024, default: defaultTopicQueueNums)
        maximumMessageBytes = try settings.integer("maxMessageSize", in: 1...(16 << 20), default: maximumMessageBytes)
        longPolling = try settings.bool("longPollingEnable", default: longPolling)
        shortPolling = try settings.milliseconds("shortPollingTimeMills", default: shortPolling)
        registrationPeriod = try settings.milliseconds("registerNameServerPeriod", default: registrationPeriod)
        registrationTimeout = try settings.milliseconds("registerBrokerTimeoutMills", default: registrationTimeout)
        compressesRegistration = try settings.bool("compressedRegister", default: compressesRegistration)
        filtersByProperties = try settings.bool("enablePropertyFilter", default: filtersByProperties)
        forcesRegistration = try settings.bool("forceRegister", default: forcesRegistration)
        offsetSavePeriod = try settings.milliseconds("flushConsumerOffsetInterval", default: offsetSavePeriod)
        clientExpiry = try settings.milliseconds("channelExpiredTimeout", default: clientExpiry)
        clientScanPeriod = try settings.milliseconds("clientScanPeriod", default: clientScanPeriod)
        transactionCheckInterval = try settings.milliseconds(
            "transactionCheckInterval", default: transactionCheckInterval)
        transactionTimeout = try settings.milliseconds("transactionTimeOut", default: transactionTimeout)
        transactionCheckLimit = try settings.integer(
            "transactionCheckMax", in: 1...10_000, default: transactionCheckLimit)
        connectionBufferBytes = try settings.integer(
            "serverMaxBufferedBytes", in: (1 << 20)...(1 << 40), default: connectionBufferBytes)
        failsFast = try settings.bool("brokerFastFailureEnable", default: failsFast)
        sendWait = try settings.milliseconds("waitTimeMillsInSendQueue", default: sendWait)
        pullWait = try settings.milliseconds("waitTimeMillsInPullQueue", default: pullWait)
        transactionWait = try settings.milliseconds("waitTimeMillsInTransactionQueue", default: transactionWait)
        sendQueueCapacity = try settings.integer(
            "sendThreadPoolQueueCapacity", in: 1...10_000_000, default: sendQueueCapacity)
        pullQueueCapacity = try settings.integer(
            "pullThreadPoolQueueCapacity", in: 1...10_000_000, default: pullQueueCapacity)
        queryQueueCapacity = try settings.integer(
            "queryThreadPoolQueueCapacity", in: 1...10_000_000, default: queryQueueCapacity)
        transactionQueueCapacity = try settings.integer(
            "endTransactionPoolQueueCapacity", in: 1...10_000_000, default: transactionQueueCapacity)
        if try settings.bool("aclEnable", default: false) {
            throw settings.bad(
                "aclEnable",
                accepted: "false: this broker has no access control lists; tls.server.authClient=true lets in "
                    + "those alone who have a certificate")
        }
        for (key, value) in Self.keysWithoutEffect { settings.withoutEffect(key, default: value) }
        let metrics: Int = try settings.integer("metricsPort", in: 0...65535, default: 0)
        metricsPort = metrics == 0 ? nil : metrics
        threads = try settings.integer("serverWorkerThreads", in: 1...64, default: threads)
    }

    /// As RocketMQ has it, a master is number 0 whatever it is called, and a slave any other. Where any broker may become the
    /// master, each has a number of its own, and is told of as 0 while it is the master.
    private mutating func checkNumber(_ settings: inout Settings) throws(ConfigurationError) {
        if failover.policy != .none {
            guard brokerID > 0 else {
                throw settings.bad(
                    "brokerId", accepted: "1 or more with a failoverPolicy, for each broker of the name another")
            }
        } else if role != .slave {
            brokerID = 0
        } else if brokerID == 0 {
            throw settings.bad("brokerId", accepted: "1 or more for a SLAVE; 0 is its master's")
        }
    }

    private static func nameservers(_ settings: inout Settings) throws(ConfigurationError) -> [String] {
        let texts = settings.string("namesrvAddr", default: "").split { $0 == ";" || $0 == "," }
        var addresses: [String] = []
        for text in texts {
            let trimmed = text.filter { $0 != " " }
            guard (try? HostPort(trimmed)) != nil else {
                throw settings.bad("namesrvAddr", accepted: "host:port, several separated by ;")
            }
            addresses.append(trimmed)
        }
        return addresses
    }

    private static func retention(_ settings: inout Settings) throws(ConfigurationError) -> RetentionPolicy {
        var retention = RetentionPolicy()
        let hours: Int64 = try settings.integer(
            "fileReservedTime", in: 1...87_600, default: retention.keptMilliseconds / 3_600_000)
        retention.keptMilliseconds = hours * 3_600_000
        let percent: Int = try settings.integer(
            "diskMaxUsedSpaceRatio", in: 10...95, default: Int((retention.usedRatioLimit * 100).rounded()))
        retention.usedRatioLimit = Double(percent) / 100
        if !(try settings.bool("cleanFileForciblyEnable", default: true)) { retention.forcedRatio = nil }
        if let text = settings.string("deleteWhen") {
            let times = text.split(separator: ";").map { Int($0) }
            let hours = Set(times.compactMap { $0 })
            guard !times.isEmpty, !times.contains(nil), hours.allSatisfy({ (0...23).contains($0) }) else {
                throw settings.bad("deleteWhen", accepted: "hours of the day, 00 to 23, several separated by ;")
            }
            retention.hours = hours
        }
        return retention
    }

    /// The store's part of the settings.
    public var store: StoreConfiguration {
        var store = StoreConfiguration(root: storeRoot, commitLogDirectory: commitLogDirectory)
        store.indexesKeys = indexesKeys
        store.indexSlots = indexSlots
        store.indexEntries = indexEntries
        store.segmentBytes = segmentBytes
        store.entriesPerQueueFile = queueFileBytes / 20
        store.flushPolicy = flushDiskType == .sync ? .sync : .async
        // A group's master counts on what its followers have on their disks.
        store.syncsCopies = failover.policy == .etcd && flushDiskType == .sync
        store.flushIntervalMilliseconds = flushIntervalMilliseconds
        store.syncFlushTimeoutMilliseconds = syncFlushTimeoutMilliseconds
        store.flushLeastPages = flushLeastPages
        store.thoroughFlushIntervalMilliseconds = thoroughFlushIntervalMilliseconds
        store.allocatesAhead = allocatesAhead
        store.retention = retention
        store.checksOnRead = checksOnRead
        store.maximumWaitingAppends = sendQueueCapacity
        store.maximumWaitMilliseconds = failsFast ? sendWait.milliseconds : nil
        return store
    }
}

extension BrokerConfiguration {
    /// A numeric address: it goes into every record and every route, where a name could not stand.
    fileprivate static func address(
        _ key: String, default fallback: String, _ settings: inout Settings
    ) throws(ConfigurationError) -> String {
        let text = settings.string(key, default: fallback)
        do {
            _ = try SocketAddress(ipAddress: text, port: 0)
        } catch {
            throw settings.bad(key, accepted: "an IPv4 or IPv6 address")
        }
        return text
    }
}
