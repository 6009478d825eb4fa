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
            Console.complain(usageLine(for: root, message: root.message(for: error)))
            exit(ExitCode.validationFailure.rawValue)
        }
    }

    /// `mqbroker: unknown option '--confg'; see 'mqbroker --help'`
    static func usageLine(for root: any ParsableCommand.Type, message: String) -> String {
        let name = root._commandName
        let first = message.split(separator: "\n").first.map(String.init) ?? "wrong words"
        let clause = first.prefix(1).lowercased() + first.dropFirst()
        return "\(name): \(clause)\(clause.hasSuffix("?") ? " See" : "; see") '\(name) --help'"
    }
}
