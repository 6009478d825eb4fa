import ArgumentParser

/// One line for words that the parser could not take: what is wrong, and where to look.
enum UsageLine {
    static func of(_ error: any Error) -> String {
        let words = Array(CommandLine.arguments.dropFirst())
        let (path, unknown) = walk(words)
        if let unknown, let nearest = nearest(to: unknown, among: children(of: path.last)) {
            return
                "no command '\(unknown)'; did you mean 'seatrial \((path.names + [nearest]).joined(separator: " "))'?"
        }
        let help = (["seatrial"] + path.names + ["--help"]).joined(separator: " ")
        let message = Seatrial.message(for: error)
        return "\(message.split(separator: "\n").first ?? "wrong words"); see '\(help)'"
    }

    /// The commands that the words name, one inside the other, and the first word that names none where one is due.
    private static func walk(_ words: [String]) -> (path: [any ParsableCommand.Type], unknown: String?) {
        var path: [any ParsableCommand.Type] = []
        for word in words {
            let here = children(of: path.last)
            if let next = here.first(where: { $0._commandName == word }) {
                path.append(next)
            } else {
                return (path, here.isEmpty || word.hasPrefix("-") ? nil : word)
            }
        }
        return (path, nil)
    }

    private static func children(of command: (any ParsableCommand.Type)?) -> [any ParsableCommand.Type] {
        (command ?? Seatrial.self).configuration.subcommands
    }

    /// The name that most likely was meant; nil when none is near.
    private static func nearest(to word: String, among commands: [any ParsableCommand.Type]) -> String? {
        let scored = commands.map { ($0._commandName, distance($0._commandName, word)) }
        guard let best = scored.min(by: { $0.1 < $1.1 }), best.1 <= max(2, word.count / 3) else { return nil }
        return best.0
    }

    /// Levenshtein's distance.
    private static func distance(_ a: String, _ b: String) -> Int {
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var previous = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let current = row[j + 1]
                row[j + 1] = x == y ? previous : min(previous, row[j], row[j + 1]) + 1
                previous = current
            }
        }
        return row[b.count]
    }
}

extension [any ParsableCommand.Type] {
    fileprivate var names: [String] { map { $0._commandName } }
}
