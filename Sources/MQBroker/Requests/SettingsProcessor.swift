import Logging
import MQReplication
import MQStore
import MQTransport
import MQWire
import NIOCore
import Synchronization
import SystemPackage

/// Requests about the broker's settings: changing (25) and reading them (26).
struct SettingsProcessor: RequestProcessor {
    let context: BrokerContext
    /// Whether the broker's own connections are secured, which RocketMQ calls `useTLS`.
    let usesTLS: Bool

    /// Answers what it knows; `false` for other requests.
    func handle(_ request: RemotingCommand, reply: RemotingReply) throws -> Bool {
        switch request.requestCode {
        case .updateBrokerConfig: try update(request, reply: reply)
        case .getBrokerConfig: read(request, reply: reply)
        default: return false
        }
        return true
    }

    private func update(_ request: RemotingCommand, reply: RemotingReply) throws {
        guard let body = request.body else { return reply.send(.success) }
        let entries = try PropertiesFile(text: String(buffer: body), name: "the request").entries
        let (before, after) = try context.live.withLock { live in
            let before = live
            try live.change(entries)
            return (before, live)
        }
        context.logger.notice(
            "settings were changed", metadata: ["settings": "\(entries.map { "\($0.key)=\($0.value)" })"])
        context.store.setFlushInterval(milliseconds: after.flushIntervalMilliseconds)
        let time = context.now()
        if (before.autoCreateTopics, before.defaultTopicQueueNums) != (
            after.autoCreateTopics, after.defaultTopicQueueNums
        ) {
            context.topics.withLock {
                $0.setAutomatic(
                    after.autoCreateTopics, queues: after.defaultTopicQueueNums, nowMilliseconds: time)
            }
        }
        guard before != after else { return reply.send(.success) }
        // What nameservers are told may be another; they have heard of it when the answer comes.
        context.topics.withLock { $0.advanceVersion(nowMilliseconds: time) }
        context.topicsDidChange { reply.send(.success) }
    }

    private func read(_ request: RemotingCommand, reply: RemotingReply) {
        let text = (values + askedFor).map { "\($0.0)=\($0.1)\n" }.joined()
        let version = context.topics.withLock { $0.table.dataVersion }.json.text
        reply.send(request.response(.success, extFields: ["version": version], body: ByteBuffer(string: text)))
    }

    /// What RocketMQ's `exportConfigs` copies of every broker, and fails without. What is no setting here has the value that
    /// says how this broker behaves.
    private var askedFor: [(String, String)] {
        let levels = DelayLevels.standard.map { milliseconds in
            let seconds = milliseconds / 1000
            return seconds < 60 ? "\(seconds)s" : seconds < 3600 ? "\(seconds / 60)m" : "\(seconds / 3600)h"
        }
        return [
            ("messageDelayLevel", levels.joined(separator: " ")),
            ("slaveReadEnable", String(context.configuration.slaveReads)),
            ("msgTraceTopicName", SystemTopic.trace), ("traceOn", "true"),
            ("traceTopicEnable", String(context.topics.withLock { $0[SystemTopic.trace] != nil })),
            ("autoCreateSubscriptionGroup", "true"), ("filterServerNums", "0"), ("useTLS", String(usesTLS)),
        ]
    }

    private var values: [(String, String)] {
        let settings = context.configuration
        let live = context.live.withLock { $0 }
        return [
            ("brokerClusterName", settings.clusterName), ("brokerName", settings.brokerName),
            ("brokerId", String(context.replication.announcedID)),
            ("brokerRole", context.replication.role.rawValue),
            ("failoverPolicy", settings.failover.policy.rawValue),
            ("flushDiskType", settings.flushDiskType.rawValue), ("listenPort", String(settings.listenPort)),
            ("haListenPort", String(settings.haListenPort)), ("brokerIP1", settings.brokerIP1),
            ("brokerIP2", settings.brokerIP2), ("namesrvAddr", settings.nameservers.joined(separator: ";")),
            ("storePathRootDir", settings.storeRoot.string),
            ("storePathCommitLog", context.store.configuration.commitLogDirectory.string),
            ("mappedFileSizeCommitLog", String(settings.segmentBytes)),
            ("mappedFileSizeConsumeQueue", String(settings.queueFileBytes)),
            ("flushIntervalCommitLog", String(live.flushIntervalMilliseconds)),
            ("syncFlushTimeout", String(settings.syncFlushTimeoutMilliseconds)),
            ("fileReservedTime", String(settings.retention.keptMilliseconds / 3_600_000)),
            ("deleteWhen", settings.retention.hours.sorted().map { String($0) }.joined(separator: ";")),
            ("diskMaxUsedSpaceRatio", String(Int((settings.retention.usedRatioLimit * 100).rounded()))),
            ("cleanFileForciblyEnable", String(settings.retention.forcedRatio != nil)),
            ("checkCRCOnRead", String(settings.checksOnRead)),
            ("flushCommitLogLeastPages", String(settings.flushLeastPages)),
            ("flushCommitLogThoroughInterval", String(settings.thoroughFlushIntervalMilliseconds)),
            ("warmMapedFileEnable", String(settings.allocatesAhead)),
            ("messageIndexEnable", String(settings.indexesKeys)),
            ("brokerPermission", String(live.permission.rawValue)),
            ("autoCreateTopicEnable", String(live.autoCreateTopics)),
            ("defaultTopicQueueNums", String(live.defaultTopicQueueNums)),
            ("maxMessageSize", String(live.maximumMessageBytes)),
            ("longPollingEnable", String(live.longPolling)),
            ("shortPollingTimeMills", String(live.shortPolling.milliseconds)),
            ("forceRegister", String(live.forcesRegistration)),
            ("enablePropertyFilter", String(settings.filtersByProperties)),
            ("registerNameServerPeriod", String(settings.registrationPeriod.milliseconds)),
            ("channelExpiredTimeout", String(settings.clientExpiry.milliseconds)),
            ("transactionTimeOut", String(live.transactionTimeout.milliseconds)),
            ("transactionCheckMax", String(live.transactionCheckLimit)),
            ("transactionCheckInterval", String(settings.transactionCheckInterval.milliseconds)),
            ("brokerFastFailureEnable", String(settings.failsFast)),
            ("waitTimeMillsInSendQueue", String(settings.sendWait.milliseconds)),
            ("waitTimeMillsInPullQueue", String(settings.pullWait.milliseconds)),
            ("waitTimeMillsInTransactionQueue", String(settings.transactionWait.milliseconds)),
            ("serverMaxBufferedBytes", String(settings.connectionBufferBytes)),
            ("endTransactionPoolQueueCapacity", String(settings.transactionQueueCapacity)),
            ("sendThreadPoolQueueCapacity", String(settings.sendQueueCapacity)),
            ("pullThreadPoolQueueCapacity", String(settings.pullQueueCapacity)),
            ("queryThreadPoolQueueCapacity", String(settings.queryQueueCapacity)),
            ("compressedRegister", String(settings.compressesRegistration)),
            ("metricsPort", String(settings.metricsPort ?? 0)),
        ]
    }
}
