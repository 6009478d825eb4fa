/// Packs bytes into one deflate block with the fixed code; greedy, the last place of each three bytes is remembered.
struct Deflater {
    private var output: [UInt8] = []
    private var bits: UInt32 = 0
    private var bitCount = 0

    /// How far back a copy may reach, and how long it may be (RFC 1951).
    private static let reach = 32_768
    private static let longest = 258

    mutating func run(_ bytes: [UInt8]) -> [UInt8] {
        put(1, 1)
        put(1, 2)
        var lastPlaces: [UInt32: Int] = [:]
        var index = 0
        while index < bytes.count {
            var length = 0
            var distance = 0
            if index + 3 <= bytes.count {
                let key = UInt32(bytes[index]) << 16 | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2])
                if let place = lastPlaces[key], index - place <= Self.reach {
                    distance = index - place
                    while length < Self.longest, index + length < bytes.count,
                        bytes[place + length] == bytes[index + length]
                    {
                        length += 1
                    }
                }
                lastPlaces[key] = index
            }
            if length >= 3 {
                copy(length: length, distance: distance)
                index += length
            } else {
                literal(Int(bytes[index]))
                index += 1
            }
        }
        literal(256)
        if bitCount > 0 { output.append(UInt8(truncatingIfNeeded: bits)) }
        return output
    }

    private mutating func copy(length: Int, distance: Int) {
        let word = Zlib.lengthBases.lastIndex { $0 <= length } ?? 0
        literal(257 + word)
        put(UInt32(length - Zlib.lengthBases[word]), Zlib.lengthBits[word])
        let far = Zlib.distanceBases.lastIndex { $0 <= distance } ?? 0
        putCode(UInt32(far), 5)
        put(UInt32(distance - Zlib.distanceBases[far]), Zlib.distanceBits[far])
    }

    /// The fixed code of RFC 1951, section 3.2.6.
    private mutating func literal(_ symbol: Int) {
        switch symbol {
        case 0...143: putCode(UInt32(0x30 + symbol), 8)
        case 144...255: putCode(UInt32(0x190 + symbol - 144), 9)
        case 256...279: putCode(UInt32(symbol - 256), 7)
        default: putCode(UInt32(0xC0 + symbol - 280), 8)
        }
    }

    /// Huffman words go out from their highest bit on, everything else from its lowest.
    private mutating func putCode(_ word: UInt32, _ count: Int) {
        for bit in stride(from: count - 1, through: 0, by: -1) { put(word >> UInt32(bit) & 1, 1) }
    }

    private mutating func put(_ value: UInt32, _ count: Int) {
        bits |= value << UInt32(bitCount)
        bitCount += count
        while bitCount >= 8 {
            output.append(UInt8(truncatingIfNeeded: bits))
            bits >>= 8
            bitCount -= 8
        }
    }
}
