/// What a request asks for. Source: RocketMQ 4.9 `RequestCode`; names follow it.
public struct RequestCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The number on the wire.
    public let rawValue: Int32

    /// Wraps any number; unknown ones are answered with ``ResponseCode/requestCodeNotSupported``.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    private static let named: [(RequestCode, String)] = [
        (.sendMessage, "SEND_MESSAGE"), (.pullMessage, "PULL_MESSAGE"), (.queryMessage, "QUERY_MESSAGE"),
        (.queryConsumerOffset, "QUERY_CONSUMER_OFFSET"), (.updateConsumerOffset, "UPDATE_CONSUMER_OFFSET"),
        (.updateAndCreateTopic, "UPDATE_AND_CREATE_TOPIC"), (.getAllTopicConfig, "GET_ALL_TOPIC_CONFIG"),
        (.updateBrokerConfig, "UPDATE_BROKER_CONFIG"), (.getBrokerConfig, "GET_BROKER_CONFIG"),
        (.getBrokerRuntimeInfo, "GET_BROKER_RUNTIME_INFO"),
        (.searchOffsetByTimestamp, "SEARCH_OFFSET_BY_TIMESTAMP"), (.getMaxOffset, "GET_MAX_OFFSET"),
        (.getMinOffset, "GET_MIN_OFFSET"), (.getEarliestMessageStoreTime, "GET_EARLIEST_MSG_STORETIME"),
        (.viewMessageByID, "VIEW_MESSAGE_BY_ID"), (.heartbeat, "HEART_BEAT"),
        (.unregisterClient, "UNREGISTER_CLIENT"), (.consumerSendMessageBack, "CONSUMER_SEND_MSG_BACK"),
        (.endTransaction, "END_TRANSACTION"), (.getConsumerListByGroup, "GET_CONSUMER_LIST_BY_GROUP"),
        (.checkTransactionState, "CHECK_TRANSACTION_STATE"),
        (.notifyConsumerIDsChanged, "NOTIFY_CONSUMER_IDS_CHANGED"), (.lockBatchQueues, "LOCK_BATCH_MQ"),
        (.unlockBatchQueues, "UNLOCK_BATCH_MQ"), (.getAllConsumerOffset, "GET_ALL_CONSUMER_OFFSET"),
        (.getAllDelayOffset, "GET_ALL_DELAY_OFFSET"), (.checkClientConfig, "CHECK_CLIENT_CONFIG"),
        (.putKVConfig, "PUT_KV_CONFIG"), (.getKVConfig, "GET_KV_CONFIG"), (.deleteKVConfig, "DELETE_KV_CONFIG"),
        (.registerBroker, "REGISTER_BROKER"), (.unregisterBroker, "UNREGISTER_BROKER"),
        (.getRouteByTopic, "GET_ROUTEINFO_BY_TOPIC"), (.getBrokerClusterInfo, "GET_BROKER_CLUSTER_INFO"),
        (.updateAndCreateSubscriptionGroup, "UPDATE_AND_CREATE_SUBSCRIPTIONGROUP"),
        (.getAllSubscriptionGroups, "GET_ALL_SUBSCRIPTIONGROUP_CONFIG"), (.getTopicStats, "GET_TOPIC_STATS_INFO"),
        (.getConsumerConnectionList, "GET_CONSUMER_CONNECTION_LIST"),
        (.getProducerConnectionList, "GET_PRODUCER_CONNECTION_LIST"),
        (.wipeWritePermission, "WIPE_WRITE_PERM_OF_BROKER"),
        (.getAllTopicsFromNameserver, "GET_ALL_TOPIC_LIST_FROM_NAMESERVER"),
        (.deleteSubscriptionGroup, "DELETE_SUBSCRIPTIONGROUP"), (.getConsumeStats, "GET_CONSUME_STATS"),
        (.deleteTopicInBroker, "DELETE_TOPIC_IN_BROKER"), (.deleteTopicInNameserver, "DELETE_TOPIC_IN_NAMESRV"),
        (.getKVListByNamespace, "GET_KVLIST_BY_NAMESPACE"), (.getTopicsByCluster, "GET_TOPICS_BY_CLUSTER"),
        (.getSystemTopicsFromNameserver, "GET_SYSTEM_TOPIC_LIST_FROM_NS"),
        (.resetConsumerClientOffset, "RESET_CONSUMER_CLIENT_OFFSET"),
        (.getConsumerRunningInfo, "GET_CONSUMER_RUNNING_INFO"), (.sendMessageV2, "SEND_MESSAGE_V2"),
        (.sendBatchMessage, "SEND_BATCH_MESSAGE"), (.queryDataVersion, "QUERY_DATA_VERSION"),
        (.sendReplyMessage, "SEND_REPLY_MESSAGE"), (.sendReplyMessageV2, "SEND_REPLY_MESSAGE_V2"),
        (.pushReplyMessage, "PUSH_REPLY_MESSAGE_TO_CLIENT"),
        (.invokeBrokerToResetOffset, "INVOKE_BROKER_TO_RESET_OFFSET"),
        (.queryTopicConsumeByWho, "QUERY_TOPIC_CONSUME_BY_WHO"),
        (.getUnitTopicList, "GET_UNIT_TOPIC_LIST"), (.getHasUnitSubTopicList, "GET_HAS_UNIT_SUB_TOPIC_LIST"),
        (.getHasUnitSubUnunitTopicList, "GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST"),
        (.updateNamesrvConfig, "UPDATE_NAMESRV_CONFIG"), (.getNamesrvConfig, "GET_NAMESRV_CONFIG"),
        (.addWritePermission, "ADD_WRITE_PERM_OF_BROKER"),
        (.getConsumerStatusFromClient, "GET_CONSUMER_STATUS_FROM_CLIENT"),
        (.invokeBrokerToGetConsumerStatus, "INVOKE_BROKER_TO_GET_CONSUMER_STATUS"),
        (.queryConsumeTimeSpan, "QUERY_CONSUME_TIME_SPAN"),
        (.getSystemTopicsFromBroker, "GET_SYSTEM_TOPIC_LIST_FROM_BROKER"),
        (.cleanExpiredConsumeQueue, "CLEAN_EXPIRED_CONSUMEQUEUE"),
        (.queryCorrectionOffset, "QUERY_CORRECTION_OFFSET"),
        (.consumeMessageDirectly, "CONSUME_MESSAGE_DIRECTLY"),
        (.cloneGroupOffset, "CLONE_GROUP_OFFSET"),
        (.viewBrokerStats, "VIEW_BROKER_STATS_DATA"),
        (.cleanUnusedTopic, "CLEAN_UNUSED_TOPIC"),
        (.getBrokerConsumeStats, "GET_BROKER_CONSUME_STATS"),
        (.queryConsumeQueue, "QUERY_CONSUME_QUEUE"),
        (.resumeCheckHalfMessage, "RESUME_CHECK_HALF_MESSAGE"),
        (.getAllProducerInfo, "GET_ALL_PRODUCER_INFO"),
        (.deleteExpiredCommitLog, "DELETE_EXPIRED_COMMITLOG"), (.haLogSpan, "HA_LOG_SPAN"),
        (.takeOver, "TAKE_OVER"), (.switchMaster, "SWITCH_MASTER"),
        (.getDeletedTopics, "GET_DELETED_TOPICS"),
    ]

    /// The protocol's name and number, for logs and remarks.
    public var description: String {
        if let name = Self.named.first(where: { $0.0 == self })?.1 { return "\(name) (\(rawValue))" }
        return "\(rawValue)"
    }
}

extension RequestCode {
    /// Stores one message, long field names.
    public static let sendMessage = RequestCode(rawValue: 10)
    /// Reads messages of a queue from an offset, perhaps held until one comes.
    public static let pullMessage = RequestCode(rawValue: 11)
    /// Finds messages by key.
    public static let queryMessage = RequestCode(rawValue: 12)
    /// A group's committed offset.
    public static let queryConsumerOffset = RequestCode(rawValue: 14)
    /// Commits a group's offset; mostly one-way.
    public static let updateConsumerOffset = RequestCode(rawValue: 15)
    /// Creates or changes a topic on one broker.
    public static let updateAndCreateTopic = RequestCode(rawValue: 17)
    /// A broker's whole topic table.
    public static let getAllTopicConfig = RequestCode(rawValue: 21)
    /// Changes a broker's configuration.
    public static let updateBrokerConfig = RequestCode(rawValue: 25)
    /// Reads a broker's configuration.
    public static let getBrokerConfig = RequestCode(rawValue: 26)
    /// A broker's counters and state.
    public static let getBrokerRuntimeInfo = RequestCode(rawValue: 28)
    /// The offset of the message nearest to a time.
    public static let searchOffsetByTimestamp = RequestCode(rawValue: 29)
    /// A queue's end.
    public static let getMaxOffset = RequestCode(rawValue: 30)
    /// A queue's beginning.
    public static let getMinOffset = RequestCode(rawValue: 31)
    /// When a queue's first message was stored.
    public static let getEarliestMessageStoreTime = RequestCode(rawValue: 32)
    /// One message by its commit-log offset.
    public static let viewMessageByID = RequestCode(rawValue: 33)
    /// A client announces its groups and subscriptions.
    public static let heartbeat = RequestCode(rawValue: 34)
    /// A client says goodbye.
    public static let unregisterClient = RequestCode(rawValue: 35)
    /// A consumer hands a message back for a later retry.
    public static let consumerSendMessageBack = RequestCode(rawValue: 36)
    /// Commits or rolls back a half message; one-way.
    public static let endTransaction = RequestCode(rawValue: 37)
    /// The client ids of a consumer group.
    public static let getConsumerListByGroup = RequestCode(rawValue: 38)
    /// Pushed to a producer: what became of this half message?
    public static let checkTransactionState = RequestCode(rawValue: 39)
    /// Pushed to consumers: the group has changed, rebalance.
    public static let notifyConsumerIDsChanged = RequestCode(rawValue: 40)
    /// Locks queues for ordered consumption.
    public static let lockBatchQueues = RequestCode(rawValue: 41)
    /// Gives such locks back.
    public static let unlockBatchQueues = RequestCode(rawValue: 42)
    /// A broker's whole offset table.
    public static let getAllConsumerOffset = RequestCode(rawValue: 43)
    /// A broker's delay offsets.
    public static let getAllDelayOffset = RequestCode(rawValue: 45)
    /// Checks a consumer's filter expression.
    public static let checkClientConfig = RequestCode(rawValue: 46)
    /// Nameserver key-value store: set.
    public static let putKVConfig = RequestCode(rawValue: 100)
    /// Nameserver key-value store: get.
    public static let getKVConfig = RequestCode(rawValue: 101)
    /// Nameserver key-value store: delete.
    public static let deleteKVConfig = RequestCode(rawValue: 102)
    /// A broker registers with a nameserver; repeated as its heartbeat.
    public static let registerBroker = RequestCode(rawValue: 103)
    /// A broker leaves.
    public static let unregisterBroker = RequestCode(rawValue: 104)
    /// Where a topic's queues are.
    public static let getRouteByTopic = RequestCode(rawValue: 105)
    /// All brokers by cluster.
    public static let getBrokerClusterInfo = RequestCode(rawValue: 106)
    /// Creates or changes a consumer group.
    public static let updateAndCreateSubscriptionGroup = RequestCode(rawValue: 200)
    /// A broker's whole group table.
    public static let getAllSubscriptionGroups = RequestCode(rawValue: 201)
    /// Offsets and times of a topic's queues.
    public static let getTopicStats = RequestCode(rawValue: 202)
    /// Who consumes in a group.
    public static let getConsumerConnectionList = RequestCode(rawValue: 203)
    /// Who produces in a group.
    public static let getProducerConnectionList = RequestCode(rawValue: 204)
    /// Takes the write permission from all topics of a broker in the nameserver's routes.
    public static let wipeWritePermission = RequestCode(rawValue: 205)
    /// All topic names.
    public static let getAllTopicsFromNameserver = RequestCode(rawValue: 206)
    /// Deletes a consumer group.
    public static let deleteSubscriptionGroup = RequestCode(rawValue: 207)
    /// A group's progress and lag.
    public static let getConsumeStats = RequestCode(rawValue: 208)
    /// Deletes a topic on a broker.
    public static let deleteTopicInBroker = RequestCode(rawValue: 215)
    /// Deletes a topic from the nameserver's routes.
    public static let deleteTopicInNameserver = RequestCode(rawValue: 216)
    /// All entries of a namespace of the nameserver's key-value store.
    public static let getKVListByNamespace = RequestCode(rawValue: 219)
    /// The topics of a cluster.
    public static let getTopicsByCluster = RequestCode(rawValue: 224)
    /// The names of clusters and brokers, which are topics too.
    public static let getSystemTopicsFromNameserver = RequestCode(rawValue: 304)
    /// Pushed to consumers: set your offsets to these.
    public static let resetConsumerClientOffset = RequestCode(rawValue: 220)
    /// A consumer's inner state, relayed by the broker.
    public static let getConsumerRunningInfo = RequestCode(rawValue: 307)
    /// Sets a group to a time, through its members.
    public static let invokeBrokerToResetOffset = RequestCode(rawValue: 222)
    /// The groups that consume a topic.
    public static let queryTopicConsumeByWho = RequestCode(rawValue: 300)
    /// Topics of a unit.
    public static let getUnitTopicList = RequestCode(rawValue: 311)
    /// Topics that units subscribe to.
    public static let getHasUnitSubTopicList = RequestCode(rawValue: 312)
    /// Topics that units subscribe to and that are of none.
    public static let getHasUnitSubUnunitTopicList = RequestCode(rawValue: 313)
    /// Changes a nameserver's settings.
    public static let updateNamesrvConfig = RequestCode(rawValue: 318)
    /// A nameserver's settings.
    public static let getNamesrvConfig = RequestCode(rawValue: 319)
    /// Stores one message, field names `a`…`n`.
    public static let sendMessageV2 = RequestCode(rawValue: 310)
    /// Stores a batch, field names as in 310.
    public static let sendBatchMessage = RequestCode(rawValue: 320)
    /// Has this broker's topic table changed since this version?
    public static let queryDataVersion = RequestCode(rawValue: 322)
    /// A reply in the request–reply pattern, long field names.
    public static let sendReplyMessage = RequestCode(rawValue: 324)
    /// The same with the short names of 310.
    public static let sendReplyMessageV2 = RequestCode(rawValue: 325)
    /// Pushed to a producer: the reply to its request.
    public static let pushReplyMessage = RequestCode(rawValue: 326)
    /// Gives the write permission back, see ``wipeWritePermission``.
    public static let addWritePermission = RequestCode(rawValue: 327)
    /// Pushed to a consumer: which offsets does it hold?
    public static let getConsumerStatusFromClient = RequestCode(rawValue: 221)
    /// The offsets that a group's members hold, asked of each.
    public static let invokeBrokerToGetConsumerStatus = RequestCode(rawValue: 223)
    /// From when to when a topic's queues reach, and where a group is.
    public static let queryConsumeTimeSpan = RequestCode(rawValue: 303)
    /// The topics that a broker keeps for itself.
    public static let getSystemTopicsFromBroker = RequestCode(rawValue: 305)
    /// Removes what queues hold of messages that are gone.
    public static let cleanExpiredConsumeQueue = RequestCode(rawValue: 306)
    /// The least offsets of some groups beside another's.
    public static let queryCorrectionOffset = RequestCode(rawValue: 308)
    /// Has one consumer consume one message now.
    public static let consumeMessageDirectly = RequestCode(rawValue: 309)
    /// Sets a group to where another one is.
    public static let cloneGroupOffset = RequestCode(rawValue: 314)
    /// One of the broker's counts over a minute, an hour and a day.
    public static let viewBrokerStats = RequestCode(rawValue: 315)
    /// Removes queues of topics that are no more.
    public static let cleanUnusedTopic = RequestCode(rawValue: 316)
    /// How far all groups of a broker are.
    public static let getBrokerConsumeStats = RequestCode(rawValue: 317)
    /// Entries of a consume queue as they stand there.
    public static let queryConsumeQueue = RequestCode(rawValue: 321)
    /// Has a transaction checked again that was given up.
    public static let resumeCheckHalfMessage = RequestCode(rawValue: 323)
    /// All producers of a broker, by group.
    public static let getAllProducerInfo = RequestCode(rawValue: 328)
    /// Removes what is too old of the log now.
    public static let deleteExpiredCommitLog = RequestCode(rawValue: 329)
    /// Of ours alone: which log a master has, for a slave that wants all of it. RocketMQ's broker answers 3.
    public static let haLogSpan = RequestCode(rawValue: 21_001)
    /// Of ours alone: a master leaves its place to the slave that is asked.
    public static let takeOver = RequestCode(rawValue: 21_002)
    /// Of ours alone: an operator wants another broker of a group to be its master.
    public static let switchMaster = RequestCode(rawValue: 21_003)
    /// Of ours alone: which topics a master deleted, and where its log ended then.
    public static let getDeletedTopics = RequestCode(rawValue: 21_004)
}
