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
        let message = Seatrial.message(for: error).split(separator: "\n").first.map(String.init) ?? "wrong words"
        let clause = inHouseStyle(message)
        return clause.hasSuffix("?") ? "\(clause) See '\(help)'" : "\(clause); see '\(help)'"
    }

    /// What is wrong with `seatrial help WORDS`, which the parser answers with help for something else; nil if nothing.
    static func unknownHelp() -> String? {
        let words = Array(CommandLine.arguments.dropFirst())
        guard words.first == "help" else { return nil }
        let (path, unknown) = walk(Array(words.dropFirst()))
        guard let unknown else { return nil }
        let command = (path.names + [unknown]).joined(separator: " ")
        let near = Nearest.nearest(to: unknown, among: children(of: path.last).names)
        return "no command '\(command)'"
            + (near.map { "; did you mean 'seatrial help \((path.names + [$0]).joined(separator: " "))'?" }
                ?? "; see 'seatrial --help'")
    }

    /// The words that followed `seatrial`, to be typed again; the commands alone where a shell would need quotes.
    static var commandLine: String {
        let words = Array(CommandLine.arguments.dropFirst())
        let isPlain = words.allSatisfy { word in
            !word.isEmpty
                && word.unicodeScalars.allSatisfy {
                    $0.isASCII && ($0.properties.isAlphabetic || "0123456789_./=:,-".unicodeScalars.contains($0))
                }
        }
        return (isPlain ? words : walk(words).path.names).joined(separator: " ")
    }

    /// One clause, in small letters; a hint only where a word is near, as for commands: the parser's own go as far as
    /// `--labs` for `--yes`.
    private static func inHouseStyle(_ message: String) -> String {
        var text = message
        if let place = text.firstRange(of: ". Did you mean '") {
            let near = text[place.upperBound...].prefix { $0 != "'" }
            text = String(text[..<place.lowerBound])
            let wrong = text.split(separator: "'").last.map(String.init) ?? ""
            text += Nearest.nearest(to: wrong, among: [String(near)]).map { "; did you mean '\($0)'?" } ?? ""
        }
        // The parser's sentences become clauses of ours.
        if let place = text.firstRange(of: ". Please provide one of ") {
            text.replaceSubrange(place, with: "; it is one of ")
        }
        if text.hasSuffix(".") { text.removeLast() }
        return text.prefix(1).lowercased() + text.dropFirst()
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
