/// The fields of request 39; the body is the half message as its consumers would see it.
public struct CheckTransactionStateRequestHeader: CommandHeader, Equatable {
    /// The half message's queue offset.
    public var tranStateTableOffset: Int64
    /// The half message's commit-log offset.
    public var commitLogOffset: Int64
    /// The client's unique id.
    public var messageID: String?
    /// The transaction: the same id.
    public var transactionID: String?
    /// The half message's offset id.
    public var offsetMessageID: String?

    /// A header with the given values.
    public init(
        tranStateTableOffset: Int64, commitLogOffset: Int64, messageID: String?, transactionID: String?,
        offsetMessageID: String?
    ) {
        self.tranStateTableOffset = tranStateTableOffset
        self.commitLogOffset = commitLogOffset
        self.messageID = messageID
        self.transactionID = transactionID
        self.offsetMessageID = offsetMessageID
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        tranStateTableOffset = try fields.required("tranStateTableOffset", as: Int64.self)
        commitLogOffset = try fields.required("commitLogOffset", as: Int64.self)
        messageID = fields["msgId"]
        transactionID = fields["transactionId"]
        offsetMessageID = fields["offsetMsgId"]
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("tranStateTableOffset", String(tranStateTableOffset))
        fields.append("commitLogOffset", String(commitLogOffset))
        if let messageID { fields.append("msgId", messageID) }
        if let transactionID { fields.append("transactionId", transactionID) }
        if let offsetMessageID { fields.append("offsetMsgId", offsetMessageID) }
        return fields
    }
}
