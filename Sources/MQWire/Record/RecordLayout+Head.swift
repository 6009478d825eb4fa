public import NIOCore

extension RecordLayout {
    /// The most bytes of a record's properties: their length is a signed number of two bytes.
    public static let maximumPropertiesBytes = Int(Int16.max)
    /// The bytes that tell by ``isPossibleHead(_:)`` whether a record's sizes fit each other, with the longest hosts.
    public static let headBytes = minimumSize + 24

    /// Whether the sizes at the beginning of a record fit each other: all of it, its body, and what may stand beside that.
    ///
    /// No sum covers them. A rotten size would have a whole segment read before the record's end says that it is none.
    public static func isPossibleHead(_ head: ByteBuffer) -> Bool {
        let start = head.readerIndex
        guard let size = head.getInteger(at: start, as: Int32.self),
            let flag = head.getInteger(at: start + sysFlagOffset, as: Int32.self).map(SysFlag.init(rawValue:))
        else { return false }
        let bornHost = flag.contains(.bornHostIPv6) ? 20 : 8
        let storeHost = flag.contains(.storeHostIPv6) ? 20 : 8
        let bodyLengthOffset = bornHostOffset + bornHost + 8 + storeHost + 4 + 8
        guard let body = head.getInteger(at: start + bodyLengthOffset, as: Int32.self), body >= 0 else { return false }
        let rest = Int(size) - Int(body) - fixedSize - bornHost - storeHost
        return (0...Int(UInt8.max) + maximumPropertiesBytes).contains(rest)
    }
}
