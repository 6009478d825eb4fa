/// Bytes on a connection are no frame; the stream cannot be trusted after this, so the connection is closed.
public enum FrameError: Error, Equatable, CustomStringConvertible {
    /// The length prefix is negative, shorter than the header's, or above the limit.
    case badLength(Int64, limitBytes: Int)
    /// The header's type byte names no encoding.
    case unknownSerializeType(UInt8)
    /// The header cannot be read.
    case malformedHeader(reason: String)

    /// One line for a log.
    public var description: String {
        switch self {
        case .badLength(let length, let limit): "a frame of \(length) bytes (accepted: 4 to \(limit))"
        case .unknownSerializeType(let type): "header type \(type) (accepted: 0 JSON, 1 compact)"
        case .malformedHeader(let reason): "malformed header: \(reason)"
        }
    }
}
