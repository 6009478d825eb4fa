public import MQTransport
import MQWire

/// How a client finds its cluster, and its times.
public struct MQClientConfiguration: Sendable {
    /// Nameservers as `host:port`; one is enough, more are tried in turn when it fails.
    public var nameservers: [String]
    /// How often known routes are asked for again.
    public var routePollInterval: Duration
    /// How often brokers are told that the client is alive.
    public var heartbeatInterval: Duration
    /// How long an answer may take, connecting included.
    public var requestTimeout: Duration
    /// How long a connection may take to come about.
    public var connectTimeout: Duration
    /// Tells several clients of one host apart in client ids; made from the process when empty.
    public var instanceName: String
    /// Seeds the choice of nameserver and first queue; `nil` takes the system's randomness.
    public var randomSeed: UInt64?
    /// How many queues a topic gets that a send creates.
    public var defaultTopicQueueNums: Int32
    /// Event-loop threads.
    public var threads: Int
    /// What secures connections to nameservers and brokers, as `MQTLS.TLSClient`; `nil` for nothing.
    public var security: (any ClientSecurity)?
    /// How requests' headers are written; nameservers and brokers read both and answer in kind.
    public var headerEncoding: HeaderEncoding

    /// The protocol's two ways of writing a header.
    public enum HeaderEncoding: Sendable {
        /// Binary: a third of JSON's work at either end.
        case compact
        /// JSON, as RocketMQ's clients write it unless told otherwise.
        case json

        var serializeType: SerializeType {
            switch self {
            case .compact: .rocketmq
            case .json: .json
            }
        }
    }

    /// The request with its header in this client's encoding.
    func encoded(_ request: consuming RemotingCommand) -> RemotingCommand {
        request.serializeType = headerEncoding.serializeType
        return request
    }

    /// The protocol's defaults, for these nameservers.
    public init(
        nameservers: [String], routePollInterval: Duration = .seconds(30), heartbeatInterval: Duration = .seconds(30),
        requestTimeout: Duration = .seconds(3), connectTimeout: Duration = .seconds(3), instanceName: String = "",
        randomSeed: UInt64? = nil, defaultTopicQueueNums: Int32 = 4, threads: Int = 1,
        security: (any ClientSecurity)? = nil, headerEncoding: HeaderEncoding = .compact
    ) {
        self.headerEncoding = headerEncoding
        self.security = security
        self.nameservers = nameservers
        self.routePollInterval = routePollInterval
        self.heartbeatInterval = heartbeatInterval
        self.requestTimeout = requestTimeout
        self.connectTimeout = connectTimeout
        self.instanceName = instanceName
        self.randomSeed = randomSeed
        self.defaultTopicQueueNums = defaultTopicQueueNums
        self.threads = threads
    }
}
