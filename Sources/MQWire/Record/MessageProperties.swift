public import NIOCore

/// A message's properties in the order they were written: `name \x01 value \x02`, repeated.
///
/// RocketMQ 4.9 leaves out the last separator when a broker writes, and reads text with and without it; so does this
/// type. A name occurs once. Linear search is on purpose: messages carry a handful.
public struct MessageProperties: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    /// One property.
    public struct Entry: Sendable, Hashable {
        /// The name, without \x01 and \x02.
        public var name: String
        /// The value, without \x01 and \x02.
        public var value: String

        /// A property with this name and value.
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Separates a name from its value.
    public static let nameSeparator: UInt8 = 1
    /// Ends a property.
    public static let entrySeparator: UInt8 = 2
    /// The most bytes a record can hold, because their count is a signed 16-bit number.
    public static let maximumEncodedBytes = Int(Int16.max)

    /// As many properties are searched one by one while they are read; with more, a table pays.
    private static let handful = 16

    /// Room for the properties of most messages, with those that a broker adds.
    private static let usualCount = 8

    /// The properties in their order.
    public private(set) var entries: [Entry]

    /// No properties.
    public init() { entries = [] }

    /// Properties in the order of the literal; of equal names the last one stays.
    public init(dictionaryLiteral elements: (String, String)...) {
        entries = []
        for (name, value) in elements { self[name] = value }
    }

    /// Reads the text form; parts without a name or without a value are skipped, as RocketMQ skips them.
    public init(text: String) {
        var text = text
        self = text.withUTF8 { MessageProperties(bytes: UnsafeRawBufferPointer($0)) }
    }

    /// Reads the encoded form; parts without a name or without a value are skipped, as RocketMQ skips them.
    public init(_ buffer: ByteBuffer) {
        self = buffer.withUnsafeReadableBytes { MessageProperties(bytes: $0) }
    }

    private init(bytes: UnsafeRawBufferPointer) {
        entries = []
        entries.reserveCapacity(Self.usualCount)
        // 32 KiB hold thousands of names, and a search for each of them would cost the square of that.
        var places: [TextBytes: Int] = [:]
        var start = 0
        while start < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
            let length = rest.firstIndex(of: Self.entrySeparator) ?? rest.count
            defer { start += length + 1 }
            let part = UnsafeRawBufferPointer(rebasing: rest[..<length])
            guard let middle = part.firstIndex(of: Self.nameSeparator), middle > 0, middle + 1 < part.count
            else { continue }
            let name = String(decoding: UnsafeRawBufferPointer(rebasing: part[..<middle]), as: UTF8.self)
            let value = String(decoding: UnsafeRawBufferPointer(rebasing: part[(middle + 1)...]), as: UTF8.self)
            if entries.count < Self.handful {
                self[name] = value
                continue
            }
            if places.isEmpty { for (index, entry) in entries.enumerated() { places[TextBytes(entry.name)] = index } }
            if let place = places[TextBytes(name)] {
                entries[place].value = value
            } else {
                places[TextBytes(name)] = entries.count
                entries.append(Entry(name: name, value: value))
            }
        }
    }

    /// The value under `name`; setting `nil` removes it, a new name goes to the end.
    public subscript(name: String) -> String? {
        get { entries.first { TextBytes.areEqual($0.name, name) }?.value }
        set {
            let index = entries.firstIndex { TextBytes.areEqual($0.name, name) }
            switch (index, newValue) {
            case (let index?, let value?): entries[index].value = value
            case (let index?, nil): entries.remove(at: index)
            case (nil, let value?): entries.append(Entry(name: name, value: value))
            case (nil, nil): break
            }
        }
    }

    /// The text form, each property closed by \x02 except the last.
    public var text: String { String(buffer: encoded) }

    /// The encoded form, each property closed by \x02 except the last.
    public var encoded: ByteBuffer {
        let size = entries.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 2 }
        var buffer = ByteBuffer()
        buffer.reserveCapacity(size)
        for (index, entry) in entries.enumerated() {
            if index > 0 { buffer.writeInteger(Self.entrySeparator) }
            buffer.writeString(entry.name)
            buffer.writeInteger(Self.nameSeparator)
            buffer.writeString(entry.value)
        }
        return buffer
    }

    /// Names and values without their order.
    public var dictionary: [String: String] {
        Dictionary(entries.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    }

    /// Finds values by a table, for whoever makes many searches.
    public var lookUp: @Sendable (String) -> String? {
        let table = Dictionary(entries.map { (TextBytes($0.name), $0.value) }, uniquingKeysWith: { $1 })
        return { table[TextBytes($0)] }
    }

    /// Finds one value in the encoded form without decoding the others.
    ///
    /// The hot paths (tag hash on dispatch) need one property of each message. Of equal names the last one counts, and one
    /// without a value does not, as in the whole list: else a broker would filter by one tag and a consumer by another.
    public static func value(of name: StaticString, in encoded: ByteBuffer) -> String? {
        name.withUTF8Buffer { value(of: $0, in: encoded) }
    }

    /// The same for a name that is only known at run time.
    public static func value(named name: String, in encoded: ByteBuffer) -> String? {
        var name = name
        return name.withUTF8 { value(of: $0, in: encoded) }
    }

    /// Finds one value in the text form; as ``value(of:in:)``.
    public static func value(of name: StaticString, inText text: String) -> String? {
        var text = text
        return text.withUTF8 { utf8 in
            let bytes = UnsafeRawBufferPointer(utf8)
            return range(of: name, in: bytes).map { String(decoding: bytes[$0], as: UTF8.self) }
        }
    }

    /// The encoded form of a text without some properties and with one more at its end: what a broker does to most
    /// messages, without a list of them. Parts without a name or a value are left out, as from the list.
    public static func spliced(
        _ text: String, without first: StaticString, _ second: StaticString, adding name: StaticString, _ value: String
    ) -> ByteBuffer {
        var (text, value) = (text, value)
        let capacity = text.utf8.count + name.utf8CodeUnitCount + value.utf8.count + 2
        var buffer = ByteBuffer()
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: capacity) { target in
            var writer = ByteWriter(target)
            text.withUTF8 { utf8 in
                let bytes = UnsafeRawBufferPointer(utf8)
                var start = 0
                while start < bytes.count {
                    let end = end(ofEntryAt: start, in: bytes)
                    defer { start = end + 1 }
                    let entry = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
                    guard let middle = entry.firstIndex(of: nameSeparator), middle > 0, middle + 1 < entry.count,
                        !isName(first, entry, middle), !isName(second, entry, middle)
                    else { continue }
                    if writer.count > 0 { writer.integer(entrySeparator) }
                    writer.append(entry)
                }
            }
            if writer.count > 0 { writer.integer(entrySeparator) }
            name.withUTF8Buffer { writer.append(UnsafeRawBufferPointer($0)) }
            writer.integer(nameSeparator)
            value.withUTF8 { writer.append(UnsafeRawBufferPointer($0)) }
            return writer.count
        }
        return buffer
    }

    private static func isName(_ name: StaticString, _ entry: UnsafeRawBufferPointer, _ length: Int) -> Bool {
        guard name.utf8CodeUnitCount == length else { return false }
        for index in 0..<length where entry[index] != name.utf8Start[index] { return false }
        return true
    }

    /// Where one value stands in the encoded form, for whoever needs no text of it; `nil` when there is none.
    public static func range(of name: StaticString, in encoded: UnsafeRawBufferPointer) -> Range<Int>? {
        name.withUTF8Buffer { place(of: $0, in: encoded) }
    }

    private static func value(of wanted: UnsafeBufferPointer<UInt8>, in encoded: ByteBuffer) -> String? {
        encoded.withUnsafeReadableBytes { bytes in
            place(of: wanted, in: bytes).map { String(decoding: bytes[$0], as: UTF8.self) }
        }
    }

    private static func place(
        of wanted: UnsafeBufferPointer<UInt8>, in bytes: UnsafeRawBufferPointer
    ) -> Range<Int>? {
        guard wanted.count > 0 else { return nil }
        var found: Range<Int>?
        var start = 0
        while start < bytes.count {
            let end = end(ofEntryAt: start, in: bytes)
            let middle = start + wanted.count
            if middle + 1 < end, bytes[middle] == nameSeparator {
                var index = 0
                while index < wanted.count, bytes[start + index] == wanted[index] { index += 1 }
                if index == wanted.count { found = (middle + 1)..<end }
            }
            start = end + 1
        }
        return found
    }

    /// Eight bytes at a time: this is most of what a message's properties cost its broker.
    private static func end(ofEntryAt start: Int, in bytes: UnsafeRawBufferPointer) -> Int {
        let (ones, separators): (UInt64, UInt64) = (0x0101_0101_0101_0101, 0x0202_0202_0202_0202)
        var end = start
        while end + 8 <= bytes.count {
            // A byte that is the separator becomes 0, and a 0 borrows from the highest bit of its own byte.
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: end, as: UInt64.self)) ^ separators
            let hits = (word &- ones) & ~word & (ones << 7)
            if hits != 0 { return end + hits.trailingZeroBitCount / 8 }
            end += 8
        }
        while end < bytes.count, bytes[end] != entrySeparator { end += 1 }
        return end
    }
}
