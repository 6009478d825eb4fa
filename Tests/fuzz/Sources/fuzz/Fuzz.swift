import CAllocations
import Glibc
import NIOCore

/// `fuzz DECODER [libFuzzer's options] [folders or files]`; without a word it lists the decoders.
@main struct Fuzz {
    /// The decoders by name. Each reads an input, and holds what it read against what it makes of it again.
    static let targets: [(name: String, run: @Sendable (ByteBuffer) -> Void)] = [
        ("frame", FrameTarget.run),
        ("header", HeaderTarget.run),
        ("json", JSONTarget.run),
        ("body", BodyTarget.run),
        ("registration", RegistrationTarget.run),
        ("zlib", ZlibTarget.run),
        ("properties", PropertiesTarget.run),
        ("record", RecordTarget.run),
        ("batch", BatchTarget.run),
        ("index", IndexTarget.run),
    ]

    private static let decoderVariable = "FUZZ_DECODER"

    private static func named(_ name: String?) -> (name: String, run: @Sendable (ByteBuffer) -> Void)? {
        targets.first { $0.name == name }
    }

    /// The one that this process runs.
    nonisolated(unsafe) static var target: (ByteBuffer) -> Void = { _ in }

    static func main() {
        var count = CommandLine.argc
        var words: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
        if let found = named(CommandLine.arguments.dropFirst().first) {
            target = found.run
            // libFuzzer gets the program's name and what follows the decoder's. It starts itself anew to merge, and does
            // not know the decoder then.
            setenv(decoderVariable, found.name, 1)
            CommandLine.unsafeArgv[1] = CommandLine.unsafeArgv[0]
            count -= 1
            words = CommandLine.unsafeArgv + 1
        } else if let found = named(getenv(decoderVariable).map { String(cString: $0) }) {
            target = found.run
        } else {
            return print(targets.map(\.name).joined(separator: "\n"))
        }
        _ = withUnsafeMutablePointer(to: &words) { words in
            words.withMemoryRebound(to: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?.self, capacity: 1) {
                LLVMFuzzerRunDriver(&count, $0, oneInput)
            }
        }
    }
}

/// libFuzzer's own entry; its library wants it by this name.
@_cdecl("LLVMFuzzerTestOneInput")
func oneInput(_ start: UnsafePointer<UInt8>?, _ length: Int) -> CInt {
    Fuzz.target(ByteBuffer(bytes: UnsafeRawBufferPointer(start: start, count: length)))
    return 0
}

/// Ends the process with a reason, which libFuzzer takes as a find.
func expect(_ condition: Bool, _ reason: @autoclosure () -> String) {
    if !condition { fatalError(reason()) }
}

/// Decodes, and expects that no more was held on the way than a small multiple of the input.
///
/// - Parameters:
///   - inputBytes: the input's size, or the limit that a decoder was given when it may unpack more than it gets.
///   - factor: bytes that may be held for each byte of it. A JSON array of digits takes about thirty: two bytes of text
///     for a value of 24, in an array that doubles.
func bounded<Value>(_ inputBytes: Int, factor: Int = 64, _ decode: () -> Value) -> Value {
    allocations_begin()
    let value = decode()
    let most = allocations_end()
    // What is made once, on first use, is in the constant.
    expect(most <= 65_536 + factor * inputBytes, "\(most) bytes were held for an input of \(inputBytes)")
    return value
}
