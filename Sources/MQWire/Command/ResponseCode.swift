/// How a request went. Source: RocketMQ 4.9 `ResponseCode`; names follow it.
public struct ResponseCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The number on the wire.
    public let rawValue: Int32

    /// Wraps any number.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// Done.
    public static let success = ResponseCode(rawValue: 0)
    /// Failed for a reason that the remark tells.
    public static let systemError = ResponseCode(rawValue: 1)
    /// Too much to do; nothing was done.
    public static let systemBusy = ResponseCode(rawValue: 2)
    /// The request code is unknown here.
    public static let requestCodeNotSupported = ResponseCode(rawValue: 3)
    /// Stored, but not on disk within the time: promise not kept.
    public static let flushDiskTimeout = ResponseCode(rawValue: 10)
    /// Stored, but no slave was there to hold it as well: promise not kept.
    public static let slaveNotAvailable = ResponseCode(rawValue: 11)
    /// Stored, but no slave confirmed within the time: promise not kept.
    public static let flushSlaveTimeout = ResponseCode(rawValue: 12)
    /// The message breaks a limit or a rule.
    public static let messageIllegal = ResponseCode(rawValue: 13)
    /// The broker takes no writes (slave, disk full, shutting down).
    public static let serviceNotAvailable = ResponseCode(rawValue: 14)
    /// The broker or topic denies this.
    public static let noPermission = ResponseCode(rawValue: 16)
    /// No such topic.
    public static let topicNotExist = ResponseCode(rawValue: 17)
    /// Pull: nothing there.
    public static let pullNotFound = ResponseCode(rawValue: 19)
    /// Pull: nothing that matches here, go on from the answer's offset at once.
    public static let pullRetryImmediately = ResponseCode(rawValue: 20)
    /// Pull: the offset is outside the queue; the answer says where to go on.
    public static let pullOffsetMoved = ResponseCode(rawValue: 21)
    /// A query found nothing.
    public static let queryNotFound = ResponseCode(rawValue: 22)
    /// A subscription expression cannot be read.
    public static let subscriptionParseFailed = ResponseCode(rawValue: 23)
    /// No such subscription.
    public static let subscriptionNotExist = ResponseCode(rawValue: 24)
    /// The broker's subscription is older than the client's.
    public static let subscriptionNotLatest = ResponseCode(rawValue: 25)
    /// No such consumer group.
    public static let subscriptionGroupNotExist = ResponseCode(rawValue: 26)

    /// The consumer group has no member here now.
    public static let consumerNotOnline = ResponseCode(rawValue: 206)
    /// A consumer did not answer in time.
    public static let consumeMessageTimeout = ResponseCode(rawValue: 207)

    /// The protocol's name and number, for logs and remarks.
    public var description: String {
        let name: String? =
            switch self {
            case .success: "SUCCESS"
            case .systemError: "SYSTEM_ERROR"
            case .systemBusy: "SYSTEM_BUSY"
            case .requestCodeNotSupported: "REQUEST_CODE_NOT_SUPPORTED"
            case .flushDiskTimeout: "FLUSH_DISK_TIMEOUT"
            case .slaveNotAvailable: "SLAVE_NOT_AVAILABLE"
            case .flushSlaveTimeout: "FLUSH_SLAVE_TIMEOUT"
            case .messageIllegal: "MESSAGE_ILLEGAL"
            case .serviceNotAvailable: "SERVICE_NOT_AVAILABLE"
            case .noPermission: "NO_PERMISSION"
            case .topicNotExist: "TOPIC_NOT_EXIST"
            case .pullNotFound: "PULL_NOT_FOUND"
            case .pullRetryImmediately: "PULL_RETRY_IMMEDIATELY"
            case .pullOffsetMoved: "PULL_OFFSET_MOVED"
            case .queryNotFound: "QUERY_NOT_FOUND"
            case .subscriptionParseFailed: "SUBSCRIPTION_PARSE_FAILED"
            case .subscriptionNotExist: "SUBSCRIPTION_NOT_EXIST"
            case .subscriptionNotLatest: "SUBSCRIPTION_NOT_LATEST"
            case .subscriptionGroupNotExist: "SUBSCRIPTION_GROUP_NOT_EXIST"
            case .consumerNotOnline: "CONSUMER_NOT_ONLINE"
            default: nil
            }
        return name.map { "\($0) (\(rawValue))" } ?? "\(rawValue)"
    }
}
