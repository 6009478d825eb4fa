/// A message to send.
public struct Message: Sendable, Equatable {
    /// Where it goes.
    public var topic: String
    /// What it carries.
    public var body: [UInt8]
    /// Its tag, which consumers filter by.
    public var tags: String?
    /// Its keys, which it can be found by.
    public var keys: [String]
    /// The application's properties.
    public var properties: [String: String]
    /// The delay level, 1…18; 0 delivers at once.
    public var delayLevel: Int
    /// The application's own bits.
    public var flag: Int32

    /// A message.
    public init(
        topic: String, body: [UInt8], tags: String? = nil, keys: [String] = [], properties: [String: String] = [:],
        delayLevel: Int = 0, flag: Int32 = 0
    ) {
        self.topic = topic
        self.body = body
        self.tags = tags
        self.keys = keys
        self.properties = properties
        self.delayLevel = delayLevel
        self.flag = flag
    }
}
