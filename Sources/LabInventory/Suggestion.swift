/// "Did you mean": the known name that is nearest to an unknown one.
enum Suggestion {
    /// ` (did you mean 'brokers'?)`, or nothing when no name is near.
    static func text(for name: String, among known: [String]) -> String {
        let limit = max(1, name.count / 3)
        let near = known.map { (name: $0, distance: distance(name.lowercased(), $0.lowercased())) }
            .filter { $0.distance <= limit }
            .min { ($0.distance, $0.name) < ($1.distance, $1.name) }
        return near.map { " (did you mean '\($0.name)'?)" } ?? ""
    }

    /// Edits between two words: insert, delete, replace, or swap of neighbours (Damerau-Levenshtein, restricted).
    static func distance(_ first: String, _ second: String) -> Int {
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
