/// The implementation language that a command's sender names.
///
/// Purely informative: nothing is decided by it, admin tools show it. Source: RocketMQ 4.9 `LanguageCode`.
public struct LanguageCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The number used in the compact header.
    public let rawValue: UInt8

    /// Wraps a number from the compact header; unknown numbers are kept.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Apache's own implementation.
    public static let java = LanguageCode(rawValue: 0)
    /// The native client.
    public static let cpp = LanguageCode(rawValue: 1)
    /// Whatever has no number of its own; we say this of ourselves.
    public static let other = LanguageCode(rawValue: 7)

    private static let names: [String] = [
        "JAVA", "CPP", "DOTNET", "PYTHON", "DELPHI", "ERLANG", "RUBY", "OTHER", "HTTP", "GO", "PHP", "OMS",
    ]

    /// The code for a JSON header's name; an unknown name is ``other``.
    public init(name: String) {
        rawValue = Self.names.firstIndex(of: name).map { UInt8($0) } ?? Self.other.rawValue
    }

    /// The code for a number in a JSON header; one without a name is ``other``, since it could not be written again.
    init(number: UInt8) { rawValue = Int(number) < Self.names.count ? number : Self.other.rawValue }

    /// The name used in JSON headers.
    public var description: String {
        Int(rawValue) < Self.names.count ? Self.names[Int(rawValue)] : "OTHER"
    }
}
