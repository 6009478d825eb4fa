/// The names of properties that clients and brokers give a meaning (RocketMQ's `MessageConst`).
public enum PropertyName {
    /// The business keys, separated by blanks.
    public static let keys = "KEYS"
    /// The tag that subscriptions filter by.
    public static let tags = "TAGS"
    /// Whether the sender wants the flush policy kept before the answer; never stored.
    public static let waitStoreMessageOK = "WAIT"
    /// The delay level, 1…18.
    public static let delayTimeLevel = "DELAY"
    /// The topic of a message that had to be consumed again.
    public static let retryTopic = "RETRY_TOPIC"
    /// The topic before the broker put the message aside (delay, half message).
    public static let realTopic = "REAL_TOPIC"
    /// The queue id before the broker put the message aside.
    public static let realQueueID = "REAL_QID"
    /// The producer group of a transaction.
    public static let producerGroup = "PGROUP"
    /// The client's unique message id.
    public static let uniqueKey = "UNIQ_KEY"
    /// The offset id of the first delivery, kept through retries.
    public static let originMessageID = "ORIGIN_MESSAGE_ID"
    /// How often the message was consumed in vain.
    public static let reconsumeTime = "RECONSUME_TIME"
    /// The most retries a consumer wants.
    public static let maxReconsumeTimes = "MAX_RECONSUME_TIMES"
    /// The smallest offset of the queue, told to a consumer.
    public static let minimumOffset = "MIN_OFFSET"
    /// The largest offset of the queue, told to a consumer.
    public static let maximumOffset = "MAX_OFFSET"
    /// Marks a half message.
    public static let transactionPrepared = "TRAN_MSG"
    /// How often a transaction's producer was asked, in a half message that RocketMQ stored anew.
    public static let transactionCheckTimes = "TRANSACTION_CHECK_TIMES"
    /// How many seconds a half message is left alone before its producer is asked.
    public static let checkImmunitySeconds = "CHECK_IMMUNITY_TIME_IN_SECONDS"
    /// The client that asked, in a request and in its reply.
    public static let replyToClient = "REPLY_TO_CLIENT"
    /// Which request a reply belongs to.
    public static let correlationID = "CORRELATION_ID"
    /// When the broker passed a reply on.
    public static let pushReplyTime = "PUSH_REPLY_TIME"
    /// The region of the broker that answered.
    public static let messageRegion = "MSG_REGION"
    /// Whether tracing is on.
    public static let traceSwitch = "TRACE_ON"
    /// The cluster that stored the message; the broker adds it.
    public static let cluster = "CLUSTER"
    /// The client's instance name of a sender.
    public static let instanceName = "INSTANCE_ID"
}
