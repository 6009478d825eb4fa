/// Unpacks a deflate stream. Each code is at most 15 bits long, each copy reaches back at most 32 KiB, and what comes
/// out never exceeds the limit, whatever the bytes say.
struct Inflater {
    private let bytes: [UInt8]
    private let limitBytes: Int
    private var output: [UInt8] = []
    /// The next byte to read.
    private(set) var position: Int
    private var bits: UInt32 = 0
    private var bitCount = 0

    init(bytes: [UInt8], from position: Int, limitBytes: Int) {
        self.bytes = bytes
        self.position = position
        self.limitBytes = limitBytes
    }

    /// A canonical Huffman code: how many codes each length has, and the symbols in the order of their codes.
    private struct Code {
        var counts = [Int](repeating: 0, count: 16)
        var symbols: [Int]

        /// The two fixed codes, made once: a block may be ten bits long.
        static let fixedLiterals = Code(valid: Zlib.fixedLengths[...])
        static let fixedDistances = Code(valid: [UInt8](repeating: 5, count: 30)[...])

        init(lengths: ArraySlice<UInt8>) throws(ZlibError) {
            self.init(valid: lengths)
            var left = 1
            for length in 1...15 {
                left = left * 2 - counts[length]
                guard left >= 0 else { throw .malformed(reason: "a code has too many words") }
            }
        }

        private init(valid lengths: ArraySlice<UInt8>) {
            for length in lengths { counts[Int(length)] += 1 }
            counts[0] = 0
            var next = [Int](repeating: 0, count: 16)
            for length in 1..<15 { next[length + 1] = next[length] + counts[length] }
            symbols = [Int](repeating: 0, count: lengths.count)
            for (symbol, length) in lengths.enumerated() where length > 0 {
                symbols[next[Int(length)]] = symbol
                next[Int(length)] += 1
            }
        }
    }

    /// All of it, up to the last block's end.
    mutating func run() throws(ZlibError) -> [UInt8] {
        var isLast = false
        while !isLast {
            isLast = try take(1) == 1
            switch try take(2) {
            case 0: try stored()
            case 1:
                try compressed(literals: Code.fixedLiterals, distances: Code.fixedDistances)
            case 2: try dynamic()
            default: throw .malformed(reason: "a block has an unknown type")
            }
        }
        return output
    }

    private mutating func take(_ count: Int) throws(ZlibError) -> Int {
        while bitCount < count {
            guard position < bytes.count else { throw .malformed(reason: "it is cut short") }
            bits |= UInt32(bytes[position]) << UInt32(bitCount)
            position += 1
            bitCount += 8
        }
        defer {
            bits >>= UInt32(count)
            bitCount -= count
        }
        return Int(bits & ((1 << UInt32(count)) - 1))
    }

    private mutating func symbol(_ code: Code) throws(ZlibError) -> Int {
        var word = 0
        var first = 0
        var index = 0
        for length in 1...15 {
            word |= try take(1)
            let count = code.counts[length]
            if word - first < count { return code.symbols[index + word - first] }
            index += count
            first = (first + count) << 1
            word <<= 1
        }
        throw .malformed(reason: "a word is not in the code")
    }

    private mutating func emit(_ byte: UInt8) throws(ZlibError) {
        guard output.count < limitBytes else { throw .tooLong(limitBytes: limitBytes) }
        output.append(byte)
    }

    private mutating func stored() throws(ZlibError) {
        bits = 0
        bitCount = 0
        guard position + 4 <= bytes.count else { throw .malformed(reason: "it is cut short") }
        let length = Int(bytes[position]) | Int(bytes[position + 1]) << 8
        let check = Int(bytes[position + 2]) | Int(bytes[position + 3]) << 8
        position += 4
        guard length == ~check & 0xFFFF else { throw .malformed(reason: "a stored block's length is wrong") }
        guard position + length <= bytes.count else { throw .malformed(reason: "it is cut short") }
        guard output.count + length <= limitBytes else { throw .tooLong(limitBytes: limitBytes) }
        output += bytes[position..<position + length]
        position += length
    }

    private mutating func dynamic() throws(ZlibError) {
        let literals = try take(5) + 257
        let distances = try take(5) + 1
        let lengthWords = try take(4) + 4
        guard literals <= 286, distances <= 30 else { throw .malformed(reason: "a code is too large") }
        // The order of RFC 1951, section 3.2.7.
        let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
        var lengths = [UInt8](repeating: 0, count: 19)
        for index in 0..<lengthWords { lengths[order[index]] = UInt8(try take(3)) }
        let code = try Code(lengths: lengths[...])
        var all: [UInt8] = []
        while all.count < literals + distances {
            let word = try symbol(code)
            var value: UInt8 = 0
            let times: Int
            switch word {
            case 0...15:
                value = UInt8(word)
                times = 1
            case 16:
                guard let last = all.last else { throw .malformed(reason: "it repeats a length before the first") }
                value = last
                times = 3 + (try take(2))
            case 17: times = 3 + (try take(3))
            default: times = 11 + (try take(7))
            }
            all += [UInt8](repeating: value, count: times)
        }
        guard all.count == literals + distances else { throw .malformed(reason: "it repeats a length too often") }
        try compressed(literals: Code(lengths: all[..<literals]), distances: Code(lengths: all[literals...]))
    }

    private mutating func compressed(literals: Code, distances: Code) throws(ZlibError) {
        while true {
            let word = try symbol(literals)
            if word < 256 {
                try emit(UInt8(word))
                continue
            }
            if word == 256 { return }
            guard word - 257 < Zlib.lengthBases.count else { throw .malformed(reason: "a length is unknown") }
            let length = Zlib.lengthBases[word - 257] + (try take(Zlib.lengthBits[word - 257]))
            let far = try symbol(distances)
            guard far < Zlib.distanceBases.count else { throw .malformed(reason: "a distance is unknown") }
            let distance = Zlib.distanceBases[far] + (try take(Zlib.distanceBits[far]))
            guard distance <= output.count else { throw .malformed(reason: "it copies from before its beginning") }
            for _ in 0..<length { try emit(output[output.count - distance]) }
        }
    }
}
