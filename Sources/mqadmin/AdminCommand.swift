import ArgumentParser
import MQProgram

/// `mqadmin`: tools for a broker's operator; so far those that need no running broker.
@main
struct AdminCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mqadmin", abstract: "Looks into brokers and their stores.",
        subcommands: [ScanStore.self, ScrubStore.self])

    static func main() async { await ProgramLine.run(Self.self) }
}
