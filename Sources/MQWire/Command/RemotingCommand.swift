public import NIOCore

/// One frame of the remoting protocol: a request, a one-way notice or an answer.
///
/// Requests and answers are paired by ``opaque`` on one connection. ``flag`` bit 0 marks an answer, bit 1 a one-way
/// request. Source: RocketMQ 4.9 `RemotingCommand`.
public struct RemotingCommand: Sendable, Equatable {
    /// The protocol level that we claim: RocketMQ 4.9.8's number, since peers switch features by it.
    public static let protocolVersion: Int32 = 409
    private static let responseBit: Int32 = 1
    private static let oneWayBit: Int32 = 2

    /// A ``RequestCode`` in a request, a ``ResponseCode`` in an answer.
    public var code: Int32
    /// The sender's language.
    public var language: LanguageCode
    /// The sender's protocol level.
    public var version: Int32
    /// Pairs an answer with its request; unique among the requests in flight on one connection.
    public var opaque: Int32
    /// Bit 0: answer; bit 1: one-way.
    public var flag: Int32
    /// Human-readable text, mostly the reason of a refusal.
    public var remark: String?
    /// Named fields; see the `…Header` types.
    public var extFields: ExtFields
    /// The payload; a slice of the read buffer when decoded, so copy what must outlive the handling of the frame.
    public var body: ByteBuffer?
    /// How the header is written.
    public var serializeType: SerializeType

    /// A command with every part given.
    public init(
        code: Int32, language: LanguageCode = .other, version: Int32 = RemotingCommand.protocolVersion,
        opaque: Int32 = 0, flag: Int32 = 0, remark: String? = nil, extFields: ExtFields = ExtFields(),
        body: ByteBuffer? = nil, serializeType: SerializeType = .json
    ) {
        self.code = code
        self.language = language
        self.version = version
        self.opaque = opaque
        self.flag = flag
        self.remark = remark
        self.extFields = extFields
        self.body = body
        self.serializeType = serializeType
    }

    /// A request without fields; the transport sets ``opaque``.
    public static func request(_ code: RequestCode, body: ByteBuffer? = nil) -> RemotingCommand {
        RemotingCommand(code: code.rawValue, body: body)
    }

    /// A request with a typed header; the transport sets ``opaque``.
    public static func request(
        _ code: RequestCode, _ header: some CommandHeader, body: ByteBuffer? = nil
    ) -> RemotingCommand {
        RemotingCommand(code: code.rawValue, extFields: header.fields, body: body)
    }

    /// The answer to this request: same opaque, same header encoding.
    public func response(
        _ code: ResponseCode = .success, remark: String? = nil, extFields: ExtFields = ExtFields(),
        body: ByteBuffer? = nil
    ) -> RemotingCommand {
        RemotingCommand(
            code: code.rawValue, opaque: opaque, flag: Self.responseBit, remark: remark, extFields: extFields,
            body: body, serializeType: serializeType)
    }

    /// The answer to this request with a typed header.
    public func response(
        _ code: ResponseCode = .success, _ header: some CommandHeader, remark: String? = nil, body: ByteBuffer? = nil
    ) -> RemotingCommand {
        response(code, remark: remark, extFields: header.fields, body: body)
    }

    /// The answer that an unknown request gets: never silence.
    public func notSupported() -> RemotingCommand {
        response(.requestCodeNotSupported, remark: "request code \(requestCode) is not supported")
    }

    /// Whether this answers a request.
    public var isResponse: Bool { flag & Self.responseBit != 0 }

    /// Whether the sender wants no answer.
    public var isOneWay: Bool {
        get { flag & Self.oneWayBit != 0 }
        set { flag = newValue ? flag | Self.oneWayBit : flag & ~Self.oneWayBit }
    }

    /// ``code`` read as a request's.
    public var requestCode: RequestCode { RequestCode(rawValue: code) }

    /// ``code`` read as an answer's.
    public var responseCode: ResponseCode { ResponseCode(rawValue: code) }

    /// The typed header; throws ``HeaderError`` when a field is missing or malformed.
    public func header<Header: CommandHeader>(_ type: Header.Type = Header.self) throws(HeaderError) -> Header {
        try Header(fields: extFields)
    }
}
