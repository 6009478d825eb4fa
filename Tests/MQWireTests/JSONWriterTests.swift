import NIOCore
import Testing

@testable import MQWire

/// What is written by hand into reserved memory is what anybody would write.
@Suite struct JSONWriterTests {
    private func text(longest: Int, _ body: (inout JSONWriter) -> Void) -> String {
        var buffer = ByteBuffer()
        buffer.writeJSON(longest: longest, body)
        return String(buffer: buffer)
    }

    @Test(arguments: [0, 1, 9, 10, 99, 100, -1, -10, 4_294_967_296, .max, .min, .max - 1, .min + 1] as [Int64])
    func integersAreDecimal(_ value: Int64) {
        #expect(text(longest: JSONWriter.integerBytes) { $0.integer(value) } == String(value))
    }

    @Test func everyPowerOfTenHasItsDigits() {
        var power: UInt64 = 1
        for _ in 0..<19 {
            for value in [power - 1, power, power + 1] {
                #expect(text(longest: JSONWriter.integerBytes) { $0.integer(value) } == String(value))
            }
            power *= 10
        }
        #expect(text(longest: JSONWriter.integerBytes) { $0.integer(UInt64.max) } == String(UInt64.max))
    }

    /// Short and long ones, without, with some and with nothing but escapes; the room is never too small (it would trap).
    @Test(arguments: [0, 1, 63, 64, 65, 4096])
    func stringsFitTheirRoomAndComeBack(_ count: Int) throws {
        let characters: [String] = ["a", "\u{1}", "\u{1F}", "\"", "\\", "\n", "ü", "💬"]
        for character in characters {
            for string in [
                String(repeating: character, count: count), String(repeating: "x" + character, count: count),
            ] {
                let longest = JSONWriter.longest(string)
                let json = text(longest: longest) { $0.string(string) }
                #expect(json.utf8.count <= longest)
                var copy = json
                let read = try copy.withUTF8 { utf8 in
                    var reader = JSONReader(UnsafeRawBufferPointer(utf8))
                    return try reader.string()
                }
                #expect(read == string)
            }
        }
    }
}
