import Glibc

/// A Java `.properties` file, as RocketMQ's daemons are configured by, with the line of each entry.
///
/// Read: `key=value`, `key: value` and `key value`, comments from `#` or `!`, a backslash at the end of a line that
/// goes on, the escapes `\t \n \r \f \\ \: \= \#`. The last of several entries for a key counts, as in Java.
public struct PropertiesFile: Sendable, Equatable {
    /// One entry.
    public struct Entry: Sendable, Equatable {
        /// The key.
        public let key: String
        /// The value, without white space at its ends.
        public let value: String
        /// Where it begins, counted from 1.
        public let line: Int
        /// Whether the line is a key and nothing else, which Java takes for an empty value.
        public let isBare: Bool
    }

    /// Longer files are refused: a configuration is a screen or two.
    public static let limitBytes = 1 << 20

    /// What errors and warnings call the file.
    public let name: String
    /// The entries in order.
    public let entries: [Entry]

    /// Reads a file; throws when it cannot be opened, is longer than ``limitBytes``, or has a line without key.
    public init(contentsOf path: String) throws(ConfigurationError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw ConfigurationError(
                file: path, line: nil, problem: "cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else {
                throw ConfigurationError(
                    file: path, line: nil, problem: "cannot be read: \(String(cString: strerror(errno)))")
            }
            if count == 0 { break }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= Self.limitBytes else {
                throw ConfigurationError(
                    file: path, line: nil, problem: "longer than \(Self.limitBytes) bytes: this is no configuration")
            }
        }
        try self.init(text: String(decoding: bytes, as: UTF8.self), name: path)
    }

    /// Reads a text that `name` stands for in errors.
    public init(text: String, name: String) throws(ConfigurationError) {
        self.name = name
        var entries: [Entry] = []
        var logical = ""
        var firstLine = 0
        let lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" || $0 == "\r" }
        for (index, line) in lines.enumerated() {
            var part = line.drop { $0 == " " || $0 == "\t" }
            if logical.isEmpty {
                if part.isEmpty || part.first == "#" || part.first == "!" { continue }
                firstLine = index + 1
            }
            let backslashes = part.reversed().prefix { $0 == "\\" }.count
            if backslashes % 2 == 1 {
                part = part.dropLast()
                logical += part
                if index + 1 < lines.count { continue }
            } else {
                logical += part
            }
            entries.append(try Self.entry(logical, line: firstLine, file: name))
            logical = ""
        }
        self.entries = entries
    }

    private static func entry(_ text: String, line: Int, file: String) throws(ConfigurationError) -> Entry {
        var key = ""
        var rest = text[...]
        while let character = rest.first, character != "=", character != ":", character != " ", character != "\t" {
            key.append(unescaped(&rest))
        }
        guard !key.isEmpty else {
            throw ConfigurationError(file: file, line: line, problem: "'\(text)' has no key (expected key=value)")
        }
        let isBare = rest.isEmpty
        rest = rest.drop { $0 == " " || $0 == "\t" }
        if rest.first == "=" || rest.first == ":" { rest = rest.dropFirst() }
        rest = rest.drop { $0 == " " || $0 == "\t" }
        var value = ""
        while !rest.isEmpty { value.append(unescaped(&rest)) }
        while let last = value.last, last == " " || last == "\t" { value.removeLast() }
        return Entry(key: key, value: value, line: line, isBare: isBare)
    }

    private static func unescaped(_ rest: inout Substring) -> Character {
        let character = rest.removeFirst()
        guard character == "\\", let escaped = rest.first else { return character }
        rest.removeFirst()
        switch escaped {
        case "t": return "\t"
        case "n": return "\n"
        case "r": return "\r"
        case "f": return "\u{0C}"
        default: return escaped
        }
    }
}
