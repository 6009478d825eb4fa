/// What is wrong with an inventory, a pattern or an ssh_config: where, what, and what was expected.
public struct InventoryError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kinds of error; the label holds no dynamic text, so that it can be counted.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// A file is missing or can't be read.
        case unreadable
        /// The text is not YAML, INI or ssh_config.
        case syntax
        /// The text is well-formed, but says something that an inventory can't say.
        case invalid
        /// Vault, Jinja or a dynamic inventory, which this program does not evaluate.
        case unsupported
        /// Groups contain each other.
        case cycle
        /// A pattern names a host or group that does not exist.
        case unknownName
        /// A host has no address.
        case noAddress
    }

    /// The kind of error.
    public var code: Code
    /// What is wrong and what was expected, without the place.
    public var message: String
    /// `file:line`, a file, or the pattern.
    public var location: String

    /// Makes an error.
    public init(_ code: Code, _ message: String, location: String) {
        self.code = code
        self.message = message
        self.location = location
    }

    init(_ code: Code, _ message: String, at place: Place) {
        self.init(code, message, location: place.description)
    }

    /// One line: the place, then what is wrong and the way out.
    public var description: String { "\(location): \(message)" }
}

/// A line of a file. Lines count from 1; 0 stands for the file as a whole.
struct Place: Sendable, Hashable, CustomStringConvertible {
    var file: String
    var line: Int

    var description: String { line > 0 ? "\(file):\(line)" : file }
}
