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
}
