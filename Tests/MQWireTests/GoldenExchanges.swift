import Foundation
import MQWire
import NIOCore
import Testing

/// A frame that Apache's daemons or clients wrote, with what it says.
struct GoldenFrame: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    let header: JSONValue

    var testDescription: String { name }

    /// All frames of the fixture, requests and answers.
    static let all: [GoldenFrame] = {
        guard
            let url = Bundle.module.url(
                forResource: "exchanges", withExtension: "jsonl", subdirectory: "Fixtures"),
            let text = try? String(contentsOf: url, encoding: .utf8)
        else { return [] }
        return text.split(separator: "\n").flatMap { frames(String($0)) }
    }()

    private static func frames(_ line: String) -> [GoldenFrame] {
        guard let exchange = try? JSONValue(parsing: line) else { return [] }
        return ["sent", "answered"].compactMap { side in
            guard let frame = exchange[side], let hex = frame["frame_hex"]?.stringValue,
                let header = frame["header"]
            else { return nil }
            let name =
                "\(exchange["request"]?.stringValue ?? "") \(exchange["client"]?.stringValue ?? "") "
                + "\(exchange["peer"]?.stringValue ?? "") \(frame["encoding"]?.stringValue ?? "") \(side)"
            return GoldenFrame(name: name, bytes: bytes(hex), header: header)
        }
    }

    static func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex)
        return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...($0 + 1)]), radix: 16) }
    }

    /// The first frame whose name begins so.
    static func named(_ prefix: String) throws -> RemotingCommand {
        let frame = try #require(all.first { $0.name.hasPrefix(prefix) }, "no golden frame begins with \(prefix)")
        return try frame.decoded()
    }

    func decoded() throws -> RemotingCommand {
        var buffer = ByteBuffer(bytes: bytes)
        let command = try #require(try FrameCodec.decode(from: &buffer))
        #expect(buffer.readableBytes == 0)
        return command
    }
}
