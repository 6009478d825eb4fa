/// The bits of a message's `sysFlag` (RocketMQ's `MessageSysFlag`).
public struct SysFlag: OptionSet, Sendable, Hashable {
    /// The bits as they travel and are stored.
    public let rawValue: Int32

    /// Takes the bits as they travel; unknown ones are kept.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// The body is compressed (zlib in 4.x); a broker passes it through untouched.
    public static let compressed = SysFlag(rawValue: 1 << 0)
    /// The message carries several tags; the consume queue then stores no useful tag hash.
    public static let multipleTags = SysFlag(rawValue: 1 << 1)
    /// A half message of a transaction.
    public static let transactionPrepared = SysFlag(rawValue: 1 << 2)
    /// The commit of a transaction.
    public static let transactionCommit = SysFlag(rawValue: 2 << 2)
    /// The roll-back of a transaction; also the mask of the two transaction bits.
    public static let transactionRollback = SysFlag(rawValue: 3 << 2)
    /// The record's `bornHost` is an IPv6 address (20 bytes instead of 8).
    public static let bornHostIPv6 = SysFlag(rawValue: 1 << 4)
    /// The record's `storeHost` is an IPv6 address (20 bytes instead of 8).
    public static let storeHostIPv6 = SysFlag(rawValue: 1 << 5)

    /// What the two transaction bits say: empty, prepared, commit or roll-back.
    public var transaction: SysFlag { intersection(.transactionRollback) }
}
