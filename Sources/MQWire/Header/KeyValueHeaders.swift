/// The fields of request 100.
public struct PutKeyValueRequestHeader: CommandHeader, Equatable {
    /// The namespace.
    public var namespace: String
    /// The key.
    public var key: String
    /// The value.
    public var value: String

    /// A header with the given values.
    public init(namespace: String, key: String, value: String) {
        self.namespace = namespace
        self.key = key
        self.value = value
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        namespace = try fields.required("namespace")
        key = try fields.required("key")
        value = try fields.required("value")
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("namespace", namespace)
        fields.append("key", key)
        fields.append("value", value)
        return fields
    }
}

/// The fields of requests 101 and 102.
public struct KeyValueRequestHeader: CommandHeader, Equatable {
    /// The namespace.
    public var namespace: String
    /// The key.
    public var key: String

    /// A header with the given values.
    public init(namespace: String, key: String) {
        self.namespace = namespace
        self.key = key
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        namespace = try fields.required("namespace")
        key = try fields.required("key")
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("namespace", namespace)
        fields.append("key", key)
        return fields
    }
}

/// The field of the answer to request 101.
public struct KeyValueResponseHeader: CommandHeader, Equatable {
    /// The value.
    public var value: String?

    /// A header with the given values.
    public init(value: String?) {
        self.value = value
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        value = fields["value"]
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        if let value { fields.append("value", value) }
        return fields
    }
}
