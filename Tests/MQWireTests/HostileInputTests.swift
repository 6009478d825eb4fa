import MQWire
import NIOCore
import Testing

/// Bytes that nobody sane would send: decoders may refuse them, never trap, and never claim more than is there.
@Suite struct HostileInputTests {
    /// SplitMix64, so that a failure can be repeated by its seed.
    struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            let first = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
            let second = (first ^ (first >> 27)) &* 0x94D0_49BB_1331_11EB
            return second ^ (second >> 31)
        }
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func damagedFramesAreReadOrRefused(_ seed: UInt64) {
        var generator = Generator(state: seed)
        var refused = 0
        for frame in GoldenFrame.all where frame.bytes.count < 4000 {
            for _ in 0..<10 {
                var bytes = frame.bytes
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    let index = Int.random(in: bytes.indices, using: &generator)
                    // Mostly after the length prefix, so that the header and not the length is what breaks.
                    bytes[index < 3 ? index + 4 : index] = UInt8.random(in: 0...255, using: &generator)
                }
                var buffer = ByteBuffer(bytes: bytes)
                do throws(FrameError) {
                    guard let command = try FrameCodec.decode(from: &buffer) else { continue }
                    #expect(command.body?.readableBytes ?? 0 <= bytes.count)
                    readEverything(command)
                } catch {
                    refused += 1
                }
            }
        }
        #expect(refused > 0, "no damage was noticed with seed \(seed)")
    }

    /// Tries every reader on a command; what they throw does not matter.
    private func readEverything(_ command: RemotingCommand) {
        _ = try? SendMessageRequestHeader(request: command)
        _ = try? command.header(PullMessageRequestHeader.self)
        _ = try? command.header(RegisterBrokerRequestHeader.self)
        _ = try? HeartbeatData(decoding: command.body)
        _ = try? RegisterBrokerBody(decoding: command.body)
        _ = try? TopicRouteData(decoding: command.body)
        _ = try? ClusterInfo(decoding: command.body)
        _ = try? LockBatchRequestBody(decoding: command.body)
    }

    @Test(arguments: [
        "-", "--1", "{\"code\":-}", "{\"code\":1e999}", "{\"code\":99999999999999999999}", "{:}", "{\"a\":}", "[}",
        "\"\\", "\"\\u", "\"\\ud800\\u\"", "{{{{{{", "{\"code\":1,\"extFields\":[1]}", "\u{0}", "{\"code\":1,,}",
    ])
    func oddTextsAreReadOrRefused(_ text: String) {
        _ = try? JSONValue(parsing: text)
        var buffer = ByteBuffer()
        buffer.writeInteger(Int32(4 + text.utf8.count))
        buffer.writeInteger(Int32(text.utf8.count))
        buffer.writeString(text)
        _ = try? FrameCodec.decode(from: &buffer)
    }

    /// Found by the fuzzer's bound on memory: the text of a text of a text doubles its backslashes each time.
    @Test func aKeyInsideAKeyIsPlain() throws {
        let nested = (0..<24).reduce(#"{"a":1}"#) { text, _ in "{\(text):1}" }
        #expect(throws: JSONError.self) { try JSONValue(parsing: nested) }
        var frame = Self.frame(type: 0, header: Array(#"{"code":1,"x":\#(nested)}"#.utf8))
        #expect(throws: FrameError.self) { try FrameCodec.decode(from: &frame) }
        // One level is what RocketMQ's tables have, one table beside another too.
        let table = try JSONValue(parsing: #"{"t":{{"q":{"n":1}}:5},{"q":2}:{{"q":3}:6}}"#)
        #expect(table["t"]?[#"{"q":{"n":1}}"#] == 5)
        #expect(table[#"{"q":2}"#]?[#"{"q":3}"#] == 6)
    }

    /// Found by the fuzzer: such a number was kept, and written as a name that means another.
    @Test func aLanguageThatHasNoNameIsAnother() throws {
        for (text, language) in [("200", LanguageCode.other), ("12", .other), ("1", .cpp)] {
            var frame = Self.frame(type: 0, header: Array(#"{"code":1,"language":\#(text)}"#.utf8))
            let command = try #require(try FrameCodec.decode(from: &frame))
            #expect(command.language == language)
            var again = ByteBuffer()
            FrameCodec.encode(command, into: &again)
            #expect(try FrameCodec.decode(from: &again) == command)
        }
    }

    /// Found by the fuzzer: the look-up took the first, the list the last.
    @Test func ofEqualPropertiesTheLastCountsEverywhere() {
        let encoded = ByteBuffer(string: "TAGS\u{1}a\u{2}KEYS\u{1}k\u{2}TAGS\u{1}b\u{2}TAGS\u{2}")
        #expect(MessageProperties(encoded)["TAGS"] == "b")
        #expect(MessageProperties.value(of: "TAGS", in: encoded) == "b")
        #expect(MessageProperties.value(of: "KEYS", in: encoded) == "k")
    }

    /// RocketMQ passes over an item that lacks its name or its value; kept here, a message had a property for one broker
    /// and none for the other.
    @Test func aPropertyHasANameAndAValue() {
        let text = "\u{1}v\u{2}K\u{1}\u{2}A\u{1}1\u{2}\u{1}\u{2}A\u{1}\u{2}B\u{1}2\u{1}3"
        let properties = MessageProperties(text: text)
        #expect(properties.entries.map(\.name) == ["A", "B"])
        #expect(properties["A"] == "1" && properties["B"] == "2\u{1}3")
        let encoded = ByteBuffer(string: text)
        #expect(MessageProperties.value(of: "A", in: encoded) == "1")
        #expect(MessageProperties.value(of: "K", in: encoded) == nil)
        #expect(MessageProperties.value(named: "", in: encoded) == nil)
    }

    /// Two spellings of one character are two names to a peer.
    @Test(arguments: [0, 20]) func namesAreComparedByTheirBytes(_ others: Int) throws {
        let (one, two) = ("\u{E9}", "e\u{301}")
        let (first, second) = ("a\u{323}\u{307}", "a\u{307}\u{323}")
        #expect(one == two && first == second && first.utf8.count == second.utf8.count)
        let items = (0..<others).map { "\($0)\u{1}x" } + [one, two, first, second].map { "\($0)\u{1}\($0.utf8.count)" }
        let properties = MessageProperties(text: items.joined(separator: "\u{2}"))
        #expect(properties.entries.count == others + 4 && properties[one] == "2" && properties[two] == "3")
        var fields: ExtFields = [one: "2", two: "3", first: "4", second: "5"]
        #expect(fields.count == 4 && fields[second] == "5")
        fields[first] = nil
        #expect(fields.count == 3 && fields[second] == "5")
    }

    /// A name of 20,000 bytes that are no text has three times as many once it is one: such a frame could be read and not
    /// be written.
    @Test func aNameThatGrowsByItsRepairIsRefused() throws {
        func frame(_ count: Int) -> ByteBuffer {
            var header = ByteBuffer()
            header.writeMultipleIntegers(Int16(10), UInt8(0), Int16(1), Int32(1), Int32(0), Int32(0))
            header.writeInteger(Int32(6 + count))
            header.writeInteger(Int16(count))
            header.writeRepeatingByte(0xFF, count: count)
            header.writeInteger(Int32(0))
            return Self.frame(type: 1, header: Array(header.readableBytesView))
        }
        var short = frame(10_000)
        let command = try #require(try FrameCodec.decode(from: &short))
        var again = ByteBuffer()
        FrameCodec.encode(command, into: &again)
        #expect(try FrameCodec.decode(from: &again) == command)
        var long = frame(20_000)
        #expect(throws: FrameError.self) { try FrameCodec.decode(from: &long) }
        // One that came in a JSON header has no place in a compact one: it is left out, and the rest is whole.
        var mixed = command.response(extFields: ["a": "1", String(repeating: "n", count: 40_000): "2", "b": "3"])
        mixed.serializeType = .rocketmq
        var written = ByteBuffer()
        FrameCodec.encode(mixed, into: &written)
        #expect(try FrameCodec.decode(from: &written)?.extFields == ["a": "1", "b": "3"])
    }

    @Test(.timeLimit(.minutes(1))) func aHundredThousandPropertiesTakeNoMinute() {
        let names = (0..<100_000).map { String($0, radix: 16) }
        let text = (names + ["7", "fff"]).map { "\($0)\u{1}\($0)!" }.joined(separator: "\u{2}")
        let properties = MessageProperties(text: text + "\u{2}20\u{1}last")
        #expect(properties.entries.map(\.name) == names)
        #expect(properties["7"] == "7!" && properties["fff"] == "fff!" && properties["20"] == "last")
    }

    /// A search for each of a million fields would take hours, on an event loop.
    @Test func aHeaderHasAThousandFieldsAtMost() throws {
        func compact(_ count: Int) -> ByteBuffer {
            var fields = ByteBuffer()
            for number in 0..<count {
                fields.writeMultipleIntegers(Int16(2), UInt16(0x4141 + number / 64 * 256 + number % 64), Int32(0))
            }
            var header = ByteBuffer()
            header.writeMultipleIntegers(Int16(10), UInt8(0), Int16(1), Int32(1), Int32(0), Int32(0))
            header.writeInteger(Int32(fields.readableBytes))
            header.writeBuffer(&fields)
            return Self.frame(type: 1, header: Array(header.readableBytesView))
        }
        func json(_ count: Int) -> ByteBuffer {
            // The member may come twice: the two of them have the limit together.
            let parts = [0..<(count / 2), (count / 2)..<count].map { range in
                #""extFields":{"# + range.map { #""\#($0)":"""# }.joined(separator: ",") + "}"
            }
            return Self.frame(type: 0, header: Array((#"{"code":1,"# + parts.joined(separator: ",") + "}").utf8))
        }
        for make in [compact, json] {
            var most = make(1024)
            let command = try #require(try FrameCodec.decode(from: &most))
            #expect(command.extFields.count == 1024)
            var tooMany = make(1025)
            #expect(throws: FrameError.self) { try FrameCodec.decode(from: &tooMany) }
        }
    }

    /// A byte that a peer wrote as it is takes six when it is repeated: that must not reach the length's precondition.
    @Test func anAnswerThatRepeatsTooMuchIsARefusal() throws {
        // The compact encoding, for speed: there bytes that are no text take three when they are repeated.
        let request = RemotingCommand(code: 34, opaque: 7, serializeType: .rocketmq)
        let value = String(repeating: "\u{FFFD}", count: 6_000_000)
        for answer in [request.response(remark: value), request.response(extFields: ["value": value])] {
            var answer = answer
            answer.body = ByteBuffer(string: "body")
            var buffer = ByteBuffer()
            FrameCodec.encode(answer, into: &buffer)
            let read = try #require(try FrameCodec.decode(from: &buffer))
            #expect(read.responseCode == .systemError && read.opaque == 7 && read.isResponse)
            #expect(read.remark?.contains("bytes") == true && read.extFields.isEmpty)
            #expect(read.body == ByteBuffer(string: "body") && buffer.readableBytes == 0)
        }
    }

    private static func frame(type: UInt32, header: [UInt8]) -> ByteBuffer {
        var frame = ByteBuffer()
        frame.writeMultipleIntegers(Int32(4 + header.count), type << 24 | UInt32(header.count))
        frame.writeBytes(header)
        return frame
    }
}
