/// The fields of requests 10, 310, 320, 324 and 325.
///
/// 310, 320 and 325 shorten the names to letters to save parsing; both forms carry the same fields.
public struct SendMessageRequestHeader: CommandHeader, Equatable {
    /// The sender's group.
    public var producerGroup: String
    /// Where the message goes.
    public var topic: String
    /// The topic whose settings an automatically created topic takes over, `TBW102`.
    public var defaultTopic: String
    /// How many queues an automatically created topic shall have.
    public var defaultTopicQueueNums: Int32
    /// The queue; negative lets the broker choose.
    public var queueID: Int32
    /// Bits: 0 body compressed, 1 multiple tags, 2–3 transaction phase.
    public var sysFlag: Int32
    /// When the client made the message, in milliseconds since 1970.
    public var bornTimestamp: Int64
    /// The application's own bits.
    public var flag: Int32
    /// Properties as `name \u{1} value \u{2}` …
    public var properties: String
    /// How often it was consumed in vain already.
    public var reconsumeTimes: Int32
    /// A mode of multi-tenant installations.
    public var unitMode: Bool
    /// The limit for ``reconsumeTimes``, where the sender sets one.
    public var maxReconsumeTimes: Int32?
    /// Whether the body holds several messages.
    public var batch: Bool
    /// The broker's name, from newer clients.
    public var brokerName: String?

    /// A header for one message; what is left out takes the protocol's default.
    public init(
        producerGroup: String, topic: String, defaultTopic: String = "TBW102", defaultTopicQueueNums: Int32 = 4,
        queueID: Int32, sysFlag: Int32 = 0, bornTimestamp: Int64, flag: Int32 = 0, properties: String = "",
        reconsumeTimes: Int32 = 0, unitMode: Bool = false, maxReconsumeTimes: Int32? = nil, batch: Bool = false,
        brokerName: String? = nil
    ) {
        self.producerGroup = producerGroup
        self.topic = topic
        self.defaultTopic = defaultTopic
        self.defaultTopicQueueNums = defaultTopicQueueNums
        self.queueID = queueID
        self.sysFlag = sysFlag
        self.bornTimestamp = bornTimestamp
        self.flag = flag
        self.properties = properties
        self.reconsumeTimes = reconsumeTimes
        self.unitMode = unitMode
        self.maxReconsumeTimes = maxReconsumeTimes
        self.batch = batch
        self.brokerName = brokerName
    }

    /// Reads the long names of request 10.
    public init(fields: ExtFields) throws(HeaderError) {
        try self.init(fields: fields, names: .long)
    }

    /// Reads the header of any of the requests, by its code.
    public init(request: RemotingCommand) throws(HeaderError) {
        let code = request.requestCode
        if code == .sendMessage || code == .sendReplyMessage {
            try self.init(fields: request.extFields, names: .long)
        } else {
            try self.init(shortFields: request.extFields)
        }
    }

    /// Reads the short names in one pass: nearly every message comes with them.
    private init(shortFields fields: ExtFields) throws(HeaderError) {
        self.init(producerGroup: "", topic: "", defaultTopic: "", queueID: 0, bornTimestamp: 0)
        var seen = 0
        for (name, value) in fields.pairs where name.utf8.count == 1 {
            guard let letter = name.utf8.first, (UInt8(ascii: "a")...UInt8(ascii: "n")).contains(letter) else {
                continue
            }
            seen |= 1 << Int(letter - UInt8(ascii: "a"))
            switch letter {
            case UInt8(ascii: "a"): producerGroup = value
            case UInt8(ascii: "b"): topic = value
            case UInt8(ascii: "c"): defaultTopic = value
            case UInt8(ascii: "d"): defaultTopicQueueNums = try Self.integer(name, value) ?? defaultTopicQueueNums
            case UInt8(ascii: "e"): queueID = try Self.required(name, value)
            case UInt8(ascii: "f"): sysFlag = try Self.integer(name, value) ?? 0
            case UInt8(ascii: "g"): bornTimestamp = try Self.required(name, value)
            case UInt8(ascii: "h"): flag = try Self.integer(name, value) ?? 0
            case UInt8(ascii: "i"): properties = value
            case UInt8(ascii: "j"): reconsumeTimes = try Self.integer(name, value) ?? 0
            case UInt8(ascii: "k"): unitMode = ExtFields.isTrue(value)
            case UInt8(ascii: "l"): maxReconsumeTimes = try Self.integer(name, value)
            case UInt8(ascii: "m"): batch = ExtFields.isTrue(value)
            default: brokerName = value
            }
        }
        // Looked at one by one only when one is missing.
        let required = 1 << 1 | 1 << 4 | 1 << 6
        guard seen & required != required else { return }
        for (place, name) in [(1, "b"), (4, "e"), (6, "g")] where seen & 1 << place == 0 {
            throw HeaderError(field: name, value: nil, expected: "a value")
        }
    }

    private static func required<Value: FixedWidthInteger>(
        _ name: String, _ text: String
    ) throws(HeaderError) -> Value {
        guard let value = Value(text) else { throw HeaderError.notA(Value.self, field: name, value: text) }
        return value
    }

    private static func integer<Value: FixedWidthInteger>(
        _ name: String, _ text: String
    ) throws(HeaderError) -> Value? {
        text.isEmpty ? nil : try required(name, text)
    }

    private init(fields: ExtFields, names: Names) throws(HeaderError) {
        producerGroup = fields[names.producerGroup] ?? ""
        topic = try fields.required(names.topic)
        defaultTopic = fields[names.defaultTopic] ?? ""
        defaultTopicQueueNums = try fields.optional(names.defaultTopicQueueNums, as: Int32.self) ?? 4
        queueID = try fields.required(names.queueID, as: Int32.self)
        sysFlag = try fields.optional(names.sysFlag, as: Int32.self) ?? 0
        bornTimestamp = try fields.required(names.bornTimestamp, as: Int64.self)
        flag = try fields.optional(names.flag, as: Int32.self) ?? 0
        properties = fields[names.properties] ?? ""
        reconsumeTimes = try fields.optional(names.reconsumeTimes, as: Int32.self) ?? 0
        unitMode = fields.flag(names.unitMode)
        maxReconsumeTimes = try fields.optional(names.maxReconsumeTimes, as: Int32.self)
        batch = fields.flag(names.batch)
        brokerName = fields[names.brokerName]
    }

    /// The fields with the long names of request 10.
    public var fields: ExtFields { encoded(.long) }

    /// The fields with the short names of requests 310 and 320.
    public var shortFields: ExtFields { encoded(.short) }

    private func encoded(_ names: Names) -> ExtFields {
        var fields = ExtFields()
        fields.reserve(14)
        fields.append(names.producerGroup, producerGroup)
        fields.append(names.topic, topic)
        fields.append(names.defaultTopic, defaultTopic)
        fields.append(names.defaultTopicQueueNums, String(defaultTopicQueueNums))
        fields.append(names.queueID, String(queueID))
        fields.append(names.sysFlag, String(sysFlag))
        fields.append(names.bornTimestamp, String(bornTimestamp))
        fields.append(names.flag, String(flag))
        fields.append(names.properties, properties)
        fields.append(names.reconsumeTimes, String(reconsumeTimes))
        fields.append(names.unitMode, unitMode ? "true" : "false")
        if let maxReconsumeTimes { fields.append(names.maxReconsumeTimes, String(maxReconsumeTimes)) }
        fields.append(names.batch, batch ? "true" : "false")
        if let brokerName { fields.append(names.brokerName, brokerName) }
        return fields
    }

    private struct Names {
        let producerGroup, topic, defaultTopic, defaultTopicQueueNums, queueID, sysFlag, bornTimestamp: String
        let flag, properties, reconsumeTimes, unitMode, maxReconsumeTimes, batch, brokerName: String

        static let long = Names(
            producerGroup: "producerGroup", topic: "topic", defaultTopic: "defaultTopic",
            defaultTopicQueueNums: "defaultTopicQueueNums", queueID: "queueId", sysFlag: "sysFlag",
            bornTimestamp: "bornTimestamp", flag: "flag", properties: "properties", reconsumeTimes: "reconsumeTimes",
            unitMode: "unitMode", maxReconsumeTimes: "maxReconsumeTimes", batch: "batch", brokerName: "bname")
        static let short = Names(
            producerGroup: "a", topic: "b", defaultTopic: "c", defaultTopicQueueNums: "d", queueID: "e", sysFlag: "f",
            bornTimestamp: "g", flag: "h", properties: "i", reconsumeTimes: "j", unitMode: "k",
            maxReconsumeTimes: "l", batch: "m", brokerName: "n")
    }
}

/// The fields of the answer to a send.
public struct SendMessageResponseHeader: CommandHeader, Equatable {
    /// The broker's offset id; comma-separated for a batch.
    public var messageID: String
    /// The queue that took the message.
    public var queueID: Int32
    /// Its place there; the first one's for a batch.
    public var queueOffset: Int64
    /// The transaction's id, for a half message.
    public var transactionID: String?

    /// An answer.
    public init(messageID: String, queueID: Int32, queueOffset: Int64, transactionID: String? = nil) {
        self.messageID = messageID
        self.queueID = queueID
        self.queueOffset = queueOffset
        self.transactionID = transactionID
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        messageID = try fields.required("msgId")
        queueID = try fields.required("queueId", as: Int32.self)
        queueOffset = try fields.required("queueOffset", as: Int64.self)
        transactionID = fields["transactionId"]
    }

    /// The region and trace marks that stand in every answer to a send, refusals too.
    public static let marks: ExtFields = ["TRACE_ON": "true", "MSG_REGION": "DefaultRegion"]

    /// The fields, with the region and trace marks that clients expect beside them.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.reserve(transactionID == nil ? 5 : 6)
        fields.append("msgId", messageID)
        fields.append("queueId", String(queueID))
        fields.append("queueOffset", String(queueOffset))
        fields.append("TRACE_ON", "true")
        fields.append("MSG_REGION", "DefaultRegion")
        if let transactionID { fields.append("transactionId", transactionID) }
        return fields
    }
}
