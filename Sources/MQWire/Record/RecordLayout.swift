/// The constants of the commit log's format (RocketMQ 4.9's `CommitLog`).
public enum RecordLayout {
    /// The magic of a record.
    public static let magic: UInt32 = 0xDAA3_20A7
    /// The magic of the filler that ends a segment.
    public static let blankMagic: UInt32 = 0xCBD4_3194
    /// The least room left at a segment's end: the filler's size (4) and magic (4).
    public static let blankSize = 8
    /// The bytes of a record without hosts, body, topic and properties.
    public static let fixedSize = 4 + 4 + 4 + 4 + 4 + 8 + 8 + 4 + 8 + 8 + 4 + 8 + 4 + 1 + 2
    /// The bytes of the smallest record: IPv4 hosts, nothing in it.
    public static let minimumSize = fixedSize + 16
    /// The longest topic (RocketMQ's `Validators` and the signed length byte).
    public static let maximumTopicBytes = 127
    /// The earliest store time a record has, in Unix milliseconds: late in 2004. The writer gives no earlier one, so that a
    /// time of which a power cut took the first bytes is known by what is left.
    public static let earliestStoreTimestamp: Int64 = 1 << 40
    /// Where a record's `queueId` stands.
    public static let queueIDOffset = 12
    /// Where a record's `queueOffset` stands.
    public static let queueOffsetOffset = 20
    /// Where a record's own log offset stands.
    public static let logOffsetOffset = 28
    /// Where a record's `sysFlag` stands.
    public static let sysFlagOffset = 36
    /// Where a record's `bornTimestamp` stands.
    public static let bornTimestampOffset = 40
    /// Where a record's `bornHost` stands; what follows depends on its length.
    public static let bornHostOffset = 48
}
