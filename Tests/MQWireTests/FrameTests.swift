import MQWire
import NIOCore
import NIOEmbedded
import Testing

@Suite struct FrameTests {
    @Test func theFixtureIsThere() { #expect(GoldenFrame.all.count > 100) }

    @Test(arguments: GoldenFrame.all)
    func aGoldenFrameSaysWhatItsHeaderSays(_ golden: GoldenFrame) throws {
        let command = try golden.decoded()
        let header = golden.header
        #expect(Int64(command.code) == header["code"]?.integerValue)
        #expect(Int64(command.flag) == header["flag"]?.integerValue)
        #expect(Int64(command.opaque) == header["opaque"]?.integerValue)
        #expect(Int64(command.version) == header["version"]?.integerValue)
        let remark = header["remark"]?.stringValue ?? ""
        #expect(command.remark == (remark.isEmpty ? nil : remark))
        if case .string(let language) = header["language"] { #expect(command.language.description == language) }
        let fields = header["extFields"]?.objectValue ?? []
        #expect(command.extFields.count == fields.count)
        for field in fields { #expect(command.extFields[field.key] == field.value.stringValue) }
    }

    @Test(arguments: GoldenFrame.all)
    func aGoldenFrameSurvivesEncoding(_ golden: GoldenFrame) throws {
        let command = try golden.decoded()
        for type in [SerializeType.json, .rocketmq] {
            var sent = command
            sent.serializeType = type
            var buffer = ByteBuffer()
            FrameCodec.encode(sent, into: &buffer)
            let back = try #require(try FrameCodec.decode(from: &buffer))
            #expect(back == sent)
            #expect(buffer.readableBytes == 0)
        }
    }

    @Test func compactFramesAreWrittenAsApacheWritesThem() throws {
        // Apache's compact headers have one layout only, so the bytes must be the same: the order of fields
        // and the language are kept as they came.
        for golden in GoldenFrame.all where golden.name.contains("ROCKETMQ") {
            var buffer = ByteBuffer()
            FrameCodec.encode(try golden.decoded(), into: &buffer)
            #expect(Array(buffer.readableBytesView) == golden.bytes, "\(golden.name)")
        }
    }

    @Test func framesAreCutFromAStreamOneByteAtATime() throws {
        var buffer = ByteBuffer()
        var found: [RemotingCommand] = []
        let frames = Array(GoldenFrame.all.prefix(20))
        for byte in frames.flatMap(\.bytes) {
            buffer.writeInteger(byte)
            if let command = try FrameCodec.decode(from: &buffer) { found.append(command) }
        }
        #expect(try found == frames.map { try $0.decoded() } && buffer.readableBytes == 0)
    }

    @Test func framesAreCutFromAStreamManyAtOnce() throws {
        var buffer = ByteBuffer(bytes: GoldenFrame.all.flatMap(\.bytes))
        for frame in GoldenFrame.all { #expect(try FrameCodec.decode(from: &buffer) == frame.decoded()) }
        #expect(try FrameCodec.decode(from: &buffer) == nil && buffer.readableBytes == 0)
    }

    @Test func largeBodiesAreBuffersOfTheirOwnAndSmallFramesShareOne() throws {
        let small = RemotingCommand(code: 10, opaque: 6, body: ByteBuffer(repeating: 0x41, count: 100))
        let large = RemotingCommand(code: 10, opaque: 7, body: ByteBuffer(repeating: 0x41, count: 100_000))
        let commands = [small, small, large, small]
        var batch = FrameBatch(allocator: ByteBufferAllocator(), count: commands.count)
        for command in commands { batch.append(command) }
        let buffers = batch.finish()
        #expect(buffers.map { $0 == large.body } == [false, true, false])
        var whole = ByteBuffer()
        for var buffer in buffers { whole.writeBuffer(&buffer) }
        for command in commands { #expect(try FrameCodec.decode(from: &whole) == command) }
        #expect(whole.readableBytes == 0)
    }

    @Test func aBatchWithoutFramesHasNoBuffer() {
        #expect(FrameBatch(allocator: ByteBufferAllocator(), count: 0).finish().isEmpty)
    }

    @Test(
        arguments: [
            ([0xFF, 0xFF, 0xFF, 0xFF], FrameError.badLength(-1, limitBytes: 1024)),
            ([0, 0, 0, 3], .badLength(3, limitBytes: 1024)),
            ([0, 0, 4, 1], .badLength(1025, limitBytes: 1024)),
            ([0, 0, 0, 4, 9, 0, 0, 0], .unknownSerializeType(9)),
            ([0, 0, 0, 4, 0, 0, 0, 5], .malformedHeader(reason: "its length 5 exceeds the frame")),
            ([0, 0, 0, 6, 1, 0, 0, 2, 0, 10], .malformedHeader(reason: "the compact header is cut short")),
            ([0, 0, 0, 6, 0, 0, 0, 2, 0x7B, 0x7D], .malformedHeader(reason: "JSON, byte 2: expected a member 'code'")),
        ] as [([UInt8], FrameError)])
    func whatIsNoFrameIsRefused(_ bytes: [UInt8], _ error: FrameError) {
        var buffer = ByteBuffer(bytes: bytes)
        #expect(throws: error) { try FrameCodec.decode(from: &buffer, limitBytes: 1024) }
    }

    @Test func noTruncationOfAFrameIsReadAsOne() throws {
        for golden in GoldenFrame.all.prefix(10) {
            for length in golden.bytes.indices {
                var buffer = ByteBuffer(bytes: golden.bytes[..<length])
                #expect(try FrameCodec.decode(from: &buffer) == nil)
                #expect(buffer.readableBytes == length)
            }
        }
    }

    @Test func headersAreReadLeniently() throws {
        let text = #"""
            { "code" : "105", extFields: {"topic":"a\"bA\n", "n":4, "yes":true, "none":null, "o":{"x":1}},
              "unknown": [1, {"deep": []}], "flag":0, "language":"MARS", "opaque":-3, "remark":"", "version":1 }
            """#
        var buffer = ByteBuffer()
        buffer.writeInteger(Int32(4 + text.utf8.count))
        buffer.writeInteger(Int32(text.utf8.count))
        buffer.writeString(text)
        let command = try #require(try FrameCodec.decode(from: &buffer))
        #expect(command.code == 105)
        #expect(command.opaque == -3)
        #expect(command.language == .other)
        #expect(command.remark == nil)
        #expect(command.extFields == ["topic": "a\"bA\n", "n": "4", "yes": "true", "o": #"{"x":1}"#])
    }
}
