public import ArgumentParser
import Glibc
import MQTransport

/// A program from its command line to its exit status.
public enum ProgramLine {
    /// Parses and runs the command, and ends the process when that fails.
    ///
    /// Wrong words get one line that says what is wrong and where help is, and status 64 (`EX_USAGE` of sysexits.h).
    public static func run(_ root: (some ParsableCommand).Type) async {
        do {
            var command = try root.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            guard root.exitCode(for: error) == .validationFailure else { root.exit(withError: error) }
            let words = ArraySlice(CommandLine.arguments.dropFirst())
            Console.complain(usageLine(for: root, words: words, message: root.message(for: error)))
            exit(ExitCode.validationFailure.rawValue)
        }
    }

    /// `mqadmin: unknown option '--tpic'; see 'mqadmin topicRoute --help'`
    public static func usageLine(
        for root: any ParsableCommand.Type, words: ArraySlice<String>, message: String
    ) -> String {
        let name = root._commandName
        // The help that there is for what was meant.
        let isKnown = root.configuration.groupedSubcommands.flatMap(\.subcommands) + root.configuration.subcommands
        let meant = words.first.flatMap { word in isKnown.first { $0._commandName == word }?._commandName }
        let help = meant.map { "\(name) \($0)" } ?? name
        if meant == nil, let word = words.first, !word.hasPrefix("-"), !isKnown.isEmpty, word != "help" {
            let nearest = Settings.nearest(to: word, among: isKnown.map { $0._commandName }.sorted())
            let hint = nearest.map { " (did you mean '\($0)'?)" } ?? ""
            return "\(name): no command '\(word)'\(hint); see '\(name) --help'"
        }
        let first = message.split(separator: "\n").first.map(String.init) ?? "wrong words"
        let clause = first.prefix(1).lowercased() + first.dropFirst()
        return "\(name): \(clause)\(clause.hasSuffix("?") ? " See" : "; see") '\(help) --help'"
    }
}
