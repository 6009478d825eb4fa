import ArgumentParser
import LabText

/// One line for words that the parser could not take: what is wrong, and where to look.
enum UsageLine {
    static func of(_ error: any Error) -> String {
        let words = Array(CommandLine.arguments.dropFirst())
        let (path, unknown) = walk(words)
        if let unknown, let nearest = Nearest.nearest(to: unknown, among: children(of: path.last).names) {
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
}

extension [any ParsableCommand.Type] {
    fileprivate var names: [String] { map { $0._commandName } }
}
