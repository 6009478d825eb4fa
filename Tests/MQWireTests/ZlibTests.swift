import MQWire
import NIOCore
import Testing

@Suite struct ZlibTests {
    private func packed(_ hex: String) -> ByteBuffer {
        let digits = hex.compactMap(\.hexDigitValue)
        return ByteBuffer(
            bytes: stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) })
    }

    /// Streams that the C library made: stored, with the fixed and with a dynamic code.
    @Test(arguments: ZlibTests.streams)
    func streamsOfTheCLibraryAreRead(_ hex: String, _ plain: String) throws {
        let found = try Zlib.inflate(packed(hex), limitBytes: 1 << 20)
        #expect(String(buffer: found) == plain)
        #expect(throws: ZlibError.tooLong(limitBytes: plain.utf8.count - 1)) {
            try Zlib.inflate(packed(hex), limitBytes: plain.utf8.count - 1)
        }
    }

    @Test func whatIsPackedIsUnpacked() throws {
        var generator = SystemRandomNumberGenerator()
        for length in [0, 1, 2, 3, 10, 257, 258, 259, 1000, 40_000] {
            let noise = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let text = Array(String(repeating: "topic-\(length) 4 4 6 ", count: length / 10 + 1).utf8)
            for bytes in [noise, text] {
                let packed = Zlib.deflate(ByteBuffer(bytes: bytes))
                #expect(try Array(Zlib.inflate(packed, limitBytes: 1 << 20).readableBytesView) == bytes, "\(bytes)")
            }
            #expect(length < 1000 || Zlib.deflate(ByteBuffer(bytes: text)).readableBytes < text.count / 10)
        }
    }

    @Test func noDamageGetsThrough() {
        for (hex, plain) in Self.streams {
            let whole = Array(packed(hex).readableBytesView)
            for length in whole.indices {
                #expect(throws: ZlibError.self) {
                    try Zlib.inflate(ByteBuffer(bytes: whole[..<length]), limitBytes: 1 << 20)
                }
            }
            for index in whole.indices {
                for bit in 0..<8 {
                    var damaged = whole
                    damaged[index] ^= 1 << UInt8(bit)
                    // The compression level in the header says nothing about the bytes.
                    let found = try? Zlib.inflate(ByteBuffer(bytes: damaged), limitBytes: 1 << 20)
                    #expect(found == nil || String(buffer: found ?? ByteBuffer()) == plain)
                }
            }
        }
    }

    @Test func aCompressedRegistrationIsReadBack() throws {
        let table = TopicConfigTable(
            topics: [
                "a": TopicConfig(name: "a", readQueueNums: 4, writeQueueNums: 2, permission: .read),
                "%RETRY%g": TopicConfig(name: "%RETRY%g", readQueueNums: 1, writeQueueNums: 1, filterType: "MULTI_TAG"),
            ], dataVersion: DataVersion(timestamp: 5, counter: 7))
        let body = RegisterBrokerBody(table: table, filterServers: ["x:1"])
        #expect(try RegisterBrokerBody(compressed: body.compressed()) == body)
        #expect(throws: BodyError.self) { try RegisterBrokerBody(compressed: body.encoded()) }
        #expect(throws: BodyError.self) { try RegisterBrokerBody(compressed: nil) }
        #expect(throws: BodyError.self) {
            try RegisterBrokerBody(compressed: Zlib.deflate(ByteBuffer(bytes: [0x7F, 0xFF, 0xFF, 0xFF, 1])))
        }
    }
}

extension ZlibTests {
    fileprivate static let streams: [(String, String)] = [
        (
            "7801012400dbff536561747269616c20686f6c64732062726f6b65727320746f20746865697220776f7264fc38"
                + "0da3",
            "Seatrial holds brokers to their word"
        ),
        (
            "78014b4c4a4e84218544248e2200828b0972",
            "abcabcabcabc abcabcabcabc!"
        ),
        (
            "78da6d52d112c2200cfb95fe9aee40776e5745f6e0df2b241ee9b1075a2eb4210d78ceef54ed75a423d9fdb265"
                + "2ba9968f557fae8b5d8b3f5221b4f9cd1ce54cc01117dff7f54fe4caca1372811827841ab16c035f4c3812b141"
                + "2670d45041e363af6c993a03f7acef906899ae12deb60022aa1b40a42fd823174445611c26152b4f307ba75a08"
                + "b1561c1843b1a4f38e109e2cb81e248af473a7db5233758a08cd6a70dfd0343e4574467b7e355f58ca0a7b",
            "offset queue half retry topic broker retry log offset offset retry retry commit queue offs"
                + "et queue commit broker topic queue broker log broker log retry commit commit commit retry "
                + "queue half topic broker queue retry offset log commit log commit commit half commit offset"
                + " half broker log queue half topic offset log log topic topic retry retry topic half topic "
                + "commit queue broker log commit commit topic broker broker commit half log offset broker lo"
                + "g broker topic topic broker offset commit log log queue broker half half half queue commit"
                + " commit retry commit topic log commit offset log commit log log half broker commit half br"
                + "oker commit queue broker half retry half half log retry broker broker broker half log"
        ),
    ]
}
