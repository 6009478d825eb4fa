/// The fields of request 103.
public struct RegisterBrokerRequestHeader: CommandHeader, Equatable {
    /// The broker set's name, shared by master and slaves.
    public var brokerName: String
    /// `host:port` where clients reach it.
    public var brokerAddress: String
    /// The cluster.
    public var clusterName: String
    /// `host:port` where slaves fetch the log.
    public var haServerAddress: String?
    /// 0 is the master.
    public var brokerID: Int64
    /// Whether the body is zlib-compressed.
    public var compressed: Bool
    /// The CRC-32 of the body as it is sent; 0 or absent is not checked.
    public var bodyCRC32: Int32?

    /// A header with the given values.
    public init(
        brokerName: String, brokerAddress: String, clusterName: String, haServerAddress: String?, brokerID: Int64,
        compressed: Bool = false, bodyCRC32: Int32? = nil
    ) {
        self.brokerName = brokerName
        self.brokerAddress = brokerAddress
        self.clusterName = clusterName
        self.haServerAddress = haServerAddress
        self.brokerID = brokerID
        self.compressed = compressed
        self.bodyCRC32 = bodyCRC32
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        brokerName = try fields.required("brokerName")
        brokerAddress = try fields.required("brokerAddr")
        clusterName = try fields.required("clusterName")
        haServerAddress = fields["haServerAddr"]
        brokerID = try fields.required("brokerId", as: Int64.self)
        compressed = fields.flag("compressed")
        bodyCRC32 = try fields.optional("bodyCrc32", as: Int32.self)
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("brokerName", brokerName)
        fields.append("brokerAddr", brokerAddress)
        fields.append("clusterName", clusterName)
        if let haServerAddress { fields.append("haServerAddr", haServerAddress) }
        fields.append("brokerId", String(brokerID))
        fields.append("compressed", compressed ? "true" : "false")
        if let bodyCRC32 { fields.append("bodyCrc32", String(bodyCRC32)) }
        return fields
    }
}

/// The fields of the answer to request 103.
public struct RegisterBrokerResponseHeader: CommandHeader, Equatable {
    /// The master's HA address, told to slaves.
    public var haServerAddress: String?
    /// The master's address, told to slaves.
    public var masterAddress: String?

    /// A header with the given values.
    public init(haServerAddress: String? = nil, masterAddress: String? = nil) {
        self.haServerAddress = haServerAddress
        self.masterAddress = masterAddress
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        haServerAddress = fields["haServerAddr"]
        masterAddress = fields["masterAddr"]
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        if let haServerAddress { fields.append("haServerAddr", haServerAddress) }
        if let masterAddress { fields.append("masterAddr", masterAddress) }
        return fields
    }
}

/// The fields of request 104.
public struct UnregisterBrokerRequestHeader: CommandHeader, Equatable {
    /// The broker set's name.
    public var brokerName: String
    /// `host:port` where clients reached it.
    public var brokerAddress: String
    /// The cluster.
    public var clusterName: String
    /// 0 is the master.
    public var brokerID: Int64

    /// A header with the given values.
    public init(brokerName: String, brokerAddress: String, clusterName: String, brokerID: Int64) {
        self.brokerName = brokerName
        self.brokerAddress = brokerAddress
        self.clusterName = clusterName
        self.brokerID = brokerID
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        brokerName = try fields.required("brokerName")
        brokerAddress = try fields.required("brokerAddr")
        clusterName = try fields.required("clusterName")
        brokerID = try fields.required("brokerId", as: Int64.self)
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("brokerName", brokerName)
        fields.append("brokerAddr", brokerAddress)
        fields.append("clusterName", clusterName)
        fields.append("brokerId", String(brokerID))
        return fields
    }
}

/// The fields of request 322; the body is the broker's data version.
public struct QueryDataVersionRequestHeader: CommandHeader, Equatable {
    /// The broker set's name.
    public var brokerName: String
    /// `host:port` where clients reach it.
    public var brokerAddress: String
    /// The cluster.
    public var clusterName: String
    /// 0 is the master.
    public var brokerID: Int64

    /// A header with the given values.
    public init(brokerName: String, brokerAddress: String, clusterName: String, brokerID: Int64) {
        self.brokerName = brokerName
        self.brokerAddress = brokerAddress
        self.clusterName = clusterName
        self.brokerID = brokerID
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        brokerName = try fields.required("brokerName")
        brokerAddress = try fields.required("brokerAddr")
        clusterName = try fields.required("clusterName")
        brokerID = try fields.required("brokerId", as: Int64.self)
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("brokerName", brokerName)
        fields.append("brokerAddr", brokerAddress)
        fields.append("clusterName", clusterName)
        fields.append("brokerId", String(brokerID))
        return fields
    }
}

/// The field of the answer to request 322.
public struct QueryDataVersionResponseHeader: CommandHeader, Equatable {
    /// Whether the nameserver's knowledge is older.
    public var changed: Bool

    /// A header with the given values.
    public init(changed: Bool) {
        self.changed = changed
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        changed = fields.flag("changed")
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("changed", changed ? "true" : "false")
        return fields
    }
}

/// The fields of request 21001, asked of one broker of ours by another of its name: which log it has, and whether its bytes
/// before an offset are the asker's.
public struct LogSpanRequestHeader: CommandHeader, Equatable {
    /// The end of the bytes that are compared; 0 when none are.
    public var checkEnd: Int64
    /// How many there are.
    public var checkBytes: Int64

    /// A header with the given values.
    public init(checkEnd: Int64 = 0, checkBytes: Int64 = 0) {
        self.checkEnd = checkEnd
        self.checkBytes = checkBytes
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        checkEnd = try fields.optional("checkEnd", as: Int64.self) ?? 0
        checkBytes = try fields.optional("checkBytes", as: Int64.self) ?? 0
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.set("checkEnd", checkEnd)
        fields.set("checkBytes", checkBytes)
        return fields
    }
}

/// The fields of the answer to it; the body is the table of epochs, as text.
public struct LogSpanResponseHeader: CommandHeader, Equatable {
    /// The log's first offset.
    public var minOffset: Int64
    /// The log's end.
    public var maxOffset: Int64
    /// The size of its segments in bytes, which a copy must share.
    public var segmentBytes: Int64
    /// Where it is sent from, `host:port`.
    public var haAddress: String
    /// The CRC-32 of the bytes that were to be compared; `nil` when they are not all here.
    public var checksum: UInt32?
    /// The number of the epoch in which the broker serves as the master; `nil` while it does not.
    public var reignNumber: Int64?
    /// That epoch's mark.
    public var reignMark: UInt64?
    /// The broker's number in a group that may change its master; `nil` in one that may not.
    public var replicaID: Int64?
    /// Which store it is, see `Replica` of MQReplication.
    public var incarnation: UInt64?

    /// A header with the given values.
    public init(
        minOffset: Int64, maxOffset: Int64, segmentBytes: Int64, haAddress: String, checksum: UInt32?,
        reignNumber: Int64? = nil, reignMark: UInt64? = nil, replicaID: Int64? = nil, incarnation: UInt64? = nil
    ) {
        self.replicaID = replicaID
        self.incarnation = incarnation
        self.reignNumber = reignNumber
        self.reignMark = reignMark
        self.minOffset = minOffset
        self.maxOffset = maxOffset
        self.segmentBytes = segmentBytes
        self.haAddress = haAddress
        self.checksum = checksum
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        minOffset = try fields.required("minOffset", as: Int64.self)
        maxOffset = try fields.required("maxOffset", as: Int64.self)
        segmentBytes = try fields.required("segmentBytes", as: Int64.self)
        haAddress = try fields.required("haAddress")
        checksum = try fields.optional("checksum", as: UInt32.self)
        reignNumber = try fields.optional("reignNumber", as: Int64.self)
        reignMark = try fields.optional("reignMark", as: UInt64.self)
        replicaID = try fields.optional("replicaId", as: Int64.self)
        incarnation = try fields.optional("incarnation", as: UInt64.self)
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.set("minOffset", minOffset)
        fields.set("maxOffset", maxOffset)
        fields.set("segmentBytes", segmentBytes)
        fields.append("haAddress", haAddress)
        if let checksum { fields.set("checksum", checksum) }
        if let reignNumber { fields.set("reignNumber", reignNumber) }
        if let reignMark { fields.set("reignMark", reignMark) }
        if let replicaID { fields.set("replicaId", replicaID) }
        if let incarnation { fields.set("incarnation", incarnation) }
        return fields
    }
}

/// The fields of request 21002: the epoch of the master that leaves its place to whoever is asked.
public struct TakeOverRequestHeader: CommandHeader, Equatable {
    /// Its number.
    public var epochNumber: Int64
    /// Its mark.
    public var epochMark: UInt64

    /// A header with the given values.
    public init(epochNumber: Int64, epochMark: UInt64) {
        self.epochNumber = epochNumber
        self.epochMark = epochMark
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        epochNumber = try fields.required("epochNumber", as: Int64.self)
        epochMark = try fields.required("epochMark", as: UInt64.self)
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.set("epochNumber", epochNumber)
        fields.set("epochMark", epochMark)
        return fields
    }
}

/// The field of request 21003: the number of the broker that is to be its group's master.
public struct SwitchMasterRequestHeader: CommandHeader, Equatable {
    /// Its number.
    public var replicaID: Int64

    /// A header with the given value.
    public init(replicaID: Int64) { self.replicaID = replicaID }

    /// Reads the field.
    public init(fields: ExtFields) throws(HeaderError) {
        replicaID = try fields.required("replicaId", as: Int64.self)
    }

    /// The field as it goes on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.set("replicaId", replicaID)
        return fields
    }
}

/// The field of requests 205 and 327: a broker set.
public struct BrokerNameRequestHeader: CommandHeader, Equatable {
    /// The broker set's name.
    public var brokerName: String

    /// A header with the given values.
    public init(brokerName: String) {
        self.brokerName = brokerName
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        brokerName = try fields.required("brokerName")
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("brokerName", brokerName)
        return fields
    }
}
