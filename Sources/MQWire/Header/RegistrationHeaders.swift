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
