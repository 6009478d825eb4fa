/// Typed look-up in a configuration, which remembers what was asked for: whatever is left over is unknown.
///
/// A value from the command line wins over the file's. A bad value throws; an unknown key only warns, since one file
/// drives our daemons and Apache's.
public struct Settings: Sendable {
    private struct Value {
        let text: String
        let file: String
        let line: Int?
    }

    private var values: [String: Value]
    private let entries: [PropertiesFile.Entry]
    private let file: String
    private var known: Set<String> = []
    private var fruitless: [String] = []

    /// Settings from a file, if there is one, and from the command line.
    ///
    /// - Parameter source: what complaints about the latter call their place.
    public init(
        file: PropertiesFile?, commandLine: [String: String] = [:], source: String = "command line"
    ) {
        var values: [String: Value] = [:]
        for entry in file?.entries ?? [] {
            values[entry.key] = Value(text: entry.value, file: file?.name ?? "", line: entry.line)
        }
        for (key, text) in commandLine { values[key] = Value(text: text, file: source, line: nil) }
        self.values = values
        entries = file?.entries ?? []
        self.file = file?.name ?? ""
    }

    /// Reads an older spelling of a key as the key itself, unless both are there: then the older one counts for nothing.
    public mutating func accept(_ older: String, as key: String) {
        known.insert(older)
        if let value = values[older], values[key] == nil { values[key] = value }
    }

    /// A text; `nil` when absent or empty.
    public mutating func string(_ key: String) -> String? {
        known.insert(key)
        guard let text = values[key]?.text, !text.isEmpty else { return nil }
        return text
    }

    /// A text with a default.
    public mutating func string(_ key: String, default fallback: String) -> String { string(key) ?? fallback }

    /// An integer within bounds.
    public mutating func integer<Number: FixedWidthInteger>(
        _ key: String, in range: ClosedRange<Number>, default fallback: Number
    ) throws(ConfigurationError) -> Number {
        guard let text = string(key) else { return fallback }
        guard let number = Number(text), range.contains(number) else {
            throw bad(key, accepted: "an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// `true` or `false`, in any case.
    public mutating func bool(_ key: String, default fallback: Bool) throws(ConfigurationError) -> Bool {
        guard let text = string(key) else { return fallback }
        switch text.lowercased() {
        case "true": return true
        case "false": return false
        default: throw bad(key, accepted: "true or false")
        }
    }

    /// One of a type's cases, by raw value, in any case.
    public mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String, default fallback: Choice
    ) throws(ConfigurationError) -> Choice where Choice.RawValue == String {
        guard let text = string(key) else { return fallback }
        guard let choice = Choice.allCases.first(where: { $0.rawValue.lowercased() == text.lowercased() }) else {
            throw bad(key, accepted: Choice.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return choice
    }

    /// A time span, written in milliseconds.
    public mutating func milliseconds(
        _ key: String, in range: ClosedRange<Int64> = 1...86_400_000, default fallback: Duration
    ) throws(ConfigurationError) -> Duration {
        guard string(key) != nil else { return fallback }
        return .milliseconds(try integer(key, in: range, default: 0))
    }

    /// Notes a key that RocketMQ's daemon heeds and this one does not: asking for more than its default is worth a warning.
    public mutating func withoutEffect(_ key: String, default fallback: String) {
        guard let text = string(key), text.lowercased() != fallback.lowercased() else { return }
        fruitless.append(key)
    }

    /// Tells that a key's value breaks a rule that only the caller knows.
    public func bad(_ key: String, accepted: String) -> ConfigurationError {
        let value = values[key]
        return ConfigurationError(
            file: value?.file ?? file, line: value?.line,
            problem: "\(key): '\(value?.text ?? "")' is not accepted (accepted: \(accepted))")
    }

    /// The keys that were asked for so far.
    public var knownKeys: Set<String> { known }

    /// Why a request may not set a key while a daemon runs; `nil` when it may.
    ///
    /// A key that nobody knows is told apart from one that needs a restart: who mistyped it must not go and look for it in
    /// the file.
    ///
    /// - Parameters:
    ///   - changeable: the keys that may be set.
    ///   - known: those that the daemon's file may have.
    ///   - ignored: those of Apache's that mean nothing here.
    ///   - daemon: what is running.
    public static func objection(
        toSetting key: String, changeable: Set<String>, known: Set<String>, ignored: Set<String>, of daemon: String
    ) -> String? {
        if changeable.contains(key) { return nil }
        let list = changeable.sorted().joined(separator: ", ")
        if known.contains(key) {
            return "\(key) does not change while the \(daemon) runs: it stands in its file, and needs a restart "
                + "(what changes: \(list))"
        }
        if ignored.contains(key) { return "\(key) means nothing to this \(daemon) (what changes: \(list))" }
        let nearest = nearest(to: key, among: known.union(changeable).sorted())
        let hint = nearest.map { "did you mean \($0)?" } ?? "what changes: \(list)"
        return "unknown key \(key) (\(hint))"
    }

    /// One warning for each key of the file that nobody asked for; `ignored` are keys of Apache's that mean nothing
    /// here. Call it after all look-ups.
    public func unknownKeyWarnings(ignoring ignored: Set<String> = []) -> [String] {
        let candidates = known.union(ignored).sorted()
        let bare = entries.filter { $0.isBare }.map { entry in
            "\(file):\(entry.line): '\(entry.key)' has no value (expected key=value)"
        }
        let vain = entries.filter { fruitless.contains($0.key) }.map { entry in
            "\(file):\(entry.line): \(entry.key) has no effect on this daemon"
        }
        return bare + vain
            + entries.filter { !$0.isBare && !known.contains($0.key) && !ignored.contains($0.key) }.map { entry in
                let nearest = Self.nearest(to: entry.key, among: candidates)
                let hint = nearest.map { " (did you mean \($0)?)" } ?? ""
                return "\(file):\(entry.line): unknown key \(entry.key)\(hint); it is ignored"
            }
    }

    /// The candidate with the fewest edits, if they are at most a third of the key.
    public static func nearest(to key: String, among candidates: [String]) -> String? {
        let best = candidates.map { (name: $0, edits: edits(key.lowercased(), $0.lowercased())) }
            .min { $0.edits < $1.edits }
        guard let best, best.edits <= max(1, key.count / 3) else { return nil }
        return best.name
    }

    /// Levenshtein's distance, by two rows of its table.
    private static func edits(_ left: String, _ right: String) -> Int {
        let right = Array(right.utf8)
        var row = Array(0...right.count)
        for (index, byte) in left.utf8.enumerated() {
            var next = [index + 1]
            for (column, other) in right.enumerated() {
                next.append(min(row[column] + (byte == other ? 0 : 1), row[column + 1] + 1, next[column] + 1))
            }
            row = next
        }
        return row[right.count]
    }
}
