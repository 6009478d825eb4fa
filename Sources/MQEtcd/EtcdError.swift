/// Why a request to etcd came to nothing, or is not known to have come to anything.
public enum EtcdError: Error, Sendable, Equatable, CustomStringConvertible {
    /// No endpoint answered. What was asked for may have been done all the same.
    case unanswered(String)
    /// etcd refused it; the code is gRPC's.
    case refused(code: Int64, message: String)
    /// What came is no answer of etcd's.
    case illegible(String)

    public var description: String {
        switch self {
        case .unanswered(let reason): "etcd does not answer: \(reason)"
        case .refused(_, let message): "etcd refuses: \(message)"
        case .illegible(let text): "etcd's answer cannot be read: \(text)"
        }
    }

    /// What was named does not exist, as a lease that is over.
    public var isNotFound: Bool { if case .refused(5, _) = self { true } else { false } }
}
