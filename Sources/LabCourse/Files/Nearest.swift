/// "Did you mean": the nearest of some names by edit distance.
enum Nearest {
    /// Longer input is not compared: nobody mistypes that much.
    private static let maximumLength = 64

    /// `did you mean 'b'?`, or the known names when none is near.
    static func suggestion(for name: String, among known: [String]) -> String {
        if let near = nearest(to: name, among: known) { return "did you mean '\(near)'?" }
        return "known are \(known.joined(separator: ", "))"
    }

    /// The nearest name, when at most a third of it differs.
    static func nearest(to name: String, among known: [String]) -> String? {
        let wanted = Array(name.lowercased())
        guard wanted.count <= maximumLength else { return nil }
        let scored = known.map { ($0, distance(wanted, Array($0.lowercased().prefix(maximumLength)))) }
        guard let best = scored.min(by: { $0.1 < $1.1 }), best.1 <= max(1, best.0.count / 3) else { return nil }
        return best.0
    }

    /// A stranger's word as it may be shown: short, and without control characters.
    static func shown(_ text: String) -> String {
        let safe = text.unicodeScalars.map { scalar -> Character in
            scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) ? "\u{FFFD}" : Character(scalar)
        }
        return safe.count > maximumLength ? String(safe.prefix(maximumLength)) + "…" : String(safe)
    }

    /// Source: R. Wagner and M. Fischer, "The String-to-String Correction Problem", 1974, with two rows.
    private static func distance(_ a: [Character], _ b: [Character]) -> Int {
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var next = [i + 1]
            next.reserveCapacity(b.count + 1)
            for (j, y) in b.enumerated() {
                next.append(min(row[j + 1] + 1, next[j] + 1, row[j] + (x == y ? 0 : 1)))
            }
            row = next
        }
        return row[b.count]
    }
}
