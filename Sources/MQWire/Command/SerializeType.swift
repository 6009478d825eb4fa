/// How a frame's header is written; an answer uses the type of its request.
public enum SerializeType: UInt8, Sendable {
    /// A JSON object.
    case json = 0
    /// The compact binary layout, see ``CompactHeader``.
    case rocketmq = 1
}
