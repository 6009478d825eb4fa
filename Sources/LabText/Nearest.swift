/// "Did you mean": the nearest of some names by edit distance.
public enum Nearest {
    /// Longer input is not compared: nobody mistypes that much.
    private static let maximumLength = 64

    /// `did you mean 'b'?`, or the known names when none is near.
    public static func suggestion(for name: String, among known: [String]) -> String {
        if let near = nearest(to: name, among: known) { return "did you mean '\(near)'?" }
        return "known are \(known.joined(separator: ", "))"
    }

    /// ` (did you mean 'b'?)`, or nothing when none is near: for the end of a sentence.
    public static func aside(for name: String, among known: [String]) -> String {
        nearest(to: name, among: known).map { " (did you mean '\($0)'?)" } ?? ""
    }

    /// The nearest name, when at most a third of it differs; the first in the alphabet of several.
    public static func nearest(to name: String, among known: [String]) -> String? {
        guard name.count <= maximumLength else { return nil }
        let scored = known.map { ($0, distance(name.lowercased(), String($0.lowercased().prefix(maximumLength)))) }
        guard let best = scored.min(by: { ($0.1, $0.0) < ($1.1, $1.0) }), best.1 <= max(1, best.0.count / 3) else {
            return nil
        }
        return best.0
    }

    /// A stranger's word as it may be shown: short, and without control characters.
    public static func shown(_ text: String) -> String {
        let safe = text.unicodeScalars.map { scalar -> Character in
            scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) ? "\u{FFFD}" : Character(scalar)
        }
        return safe.count > maximumLength ? String(safe.prefix(maximumLength)) + "…" : String(safe)
    }

    /// Edits between two words: insert, delete, replace, or swap of neighbours.
    ///
    /// Source: the restricted Damerau-Levenshtein distance, with three rows.
    package static func distance(_ first: String, _ second: String) -> Int {
        let first = Array(first)
        let second = Array(second)
        var before: [Int] = []
        var above = Array(0...second.count)
        for row in 0..<first.count {
            var current = [row + 1]
            for column in 0..<second.count {
                var best = min(
                    above[column + 1] + 1, current[column] + 1, above[column] + (first[row] == second[column] ? 0 : 1))
                if row > 0, column > 0, first[row] == second[column - 1], first[row - 1] == second[column] {
                    best = min(best, before[column - 1] + 1)
                }
                current.append(best)
            }
            before = above
            above = current
        }
        return above[second.count]
    }
}
