import MQTransport
import MQWire

/// What became of an operation that gave no receipt.
public enum OperationOutcome: Sendable, Equatable {
    /// It certainly did not happen: nothing reached a broker.
    case notSent
    /// A broker said no: it did not happen.
    case refused(code: Int32, remark: String)
    /// It may have happened.
    case unknown
}

/// Why an operation failed.
///
/// ``outcome`` is what a careful caller looks at: no answer means "may have happened", and stays so when a later
/// attempt of the same send is refused.
public enum MQClientError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was asked for makes no sense; nothing was sent.
    case invalid(reason: String)
    /// The task was cancelled before anything was sent.
    case cancelled
    /// No nameserver could be asked; nothing was sent.
    case noNameserver(reason: String)
    /// No broker alive holds the topic; nothing was sent.
    case topicNotFound(topic: String)
    /// No nameserver knows the topic, and this is why: its broker, or every broker, is gone; nothing was sent.
    case brokersGone(topic: String, reason: String)
    /// The topic has no queue for this, or its broker is gone; nothing was sent.
    case noQueue(topic: String, reason: String)
    /// The broker could not be reached; nothing was sent.
    case unreachable(address: String, reason: String)
    /// The broker answered with an error.
    case refused(address: String, code: Int32, remark: String)
    /// No answer came: it may have happened.
    case noAnswer(address: String, reason: String)
    /// The answer could not be read: it may have happened.
    case unreadableAnswer(address: String, reason: String)
    /// An earlier attempt may have happened; the last one failed like this.
    case unknownAfterRetry(last: String)

    /// Whether it happened, as far as can be known.
    public var outcome: OperationOutcome {
        switch self {
        case .invalid, .cancelled, .noNameserver, .topicNotFound, .brokersGone, .noQueue, .unreachable: .notSent
        case .refused(_, let code, let remark): .refused(code: code, remark: remark)
        case .noAnswer, .unreadableAnswer, .unknownAfterRetry: .unknown
        }
    }

    /// A label without dynamic text, for metrics and histories.
    public var label: String {
        switch self {
        case .invalid: "invalid"
        case .cancelled: "cancelled"
        case .noNameserver: "no nameserver"
        case .topicNotFound: "topic not found"
        case .brokersGone: "brokers gone"
        case .noQueue: "no queue"
        case .unreachable: "unreachable"
        case .refused: "refused"
        case .noAnswer: "no answer"
        case .unreadableAnswer: "unreadable answer"
        case .unknownAfterRetry: "unknown after retry"
        }
    }

    /// One line: what, where, why.
    public var description: String {
        switch self {
        case .invalid(let reason): reason
        case .cancelled: "the task was cancelled before anything was sent"
        case .noNameserver(let reason): "no nameserver could be asked: \(reason)"
        case .topicNotFound(let topic): "no broker alive has topic \(topic) (create it, or allow automatic creation)"
        case .brokersGone(let topic, let reason): "topic \(topic): \(reason)"
        case .noQueue(let topic, let reason): "topic \(topic): \(reason)"
        case .unreachable(let address, let reason): "\(address) was not reached: \(reason)"
        case .refused(let address, let code, let remark):
            "\(address) refused with \(ResponseCode(rawValue: code)): \(remark)"
        case .noAnswer(let address, let reason): "\(address) gave no answer: \(reason)"
        case .unreadableAnswer(let address, let reason): "the answer of \(address) cannot be read: \(reason)"
        case .unknownAfterRetry(let last): "an earlier attempt may have happened; the last one failed: \(last)"
        }
    }

    /// Whether another attempt can end otherwise: elsewhere, or with a fresh route.
    ///
    /// What a broker says about the message itself, every broker says.
    var isWorthRepeating: Bool {
        switch self {
        case .invalid, .cancelled: false
        case .refused(_, let code, _):
            ![.messageIllegal, .requestCodeNotSupported].contains(ResponseCode(rawValue: code))
        default: true
        }
    }

    /// Whether an old route may be why: the broker is gone, or not what it was.
    ///
    /// One that is busy is the right one. Asking for routes when a cluster has too much to do would give it more.
    var mayBeTheRoute: Bool {
        switch self {
        case .refused(_, let code, _):
            ![.systemBusy, .messageIllegal, .requestCodeNotSupported].contains(ResponseCode(rawValue: code))
        case .unreachable, .noAnswer, .noQueue, .topicNotFound, .brokersGone: true
        case .invalid, .cancelled, .noNameserver, .unreadableAnswer, .unknownAfterRetry: false
        }
    }

    init(_ error: TransportError, address: String) {
        self =
            error.isCertainlyNotSent
            ? .unreachable(address: address, reason: error.description)
            : .noAnswer(address: address, reason: error.description)
    }

    init(refusal: RemotingCommand, by address: String) {
        self = .refused(address: address, code: refusal.code, remark: refusal.remark ?? "")
    }
}
