/// Bytes are no zlib stream, or one that unpacks to more than it may.
public enum ZlibError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The stream breaks the format.
    case malformed(reason: String)
    /// The stream unpacks to more than the limit.
    case tooLong(limitBytes: Int)

    /// Fit for a remark.
    public var description: String {
        switch self {
        case .malformed(let reason): "no zlib stream: \(reason)"
        case .tooLong(let limit): "the zlib stream unpacks to more than \(limit) bytes"
        }
    }
}
