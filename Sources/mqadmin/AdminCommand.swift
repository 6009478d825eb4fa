import ArgumentParser

/// `mqadmin`: tools for a broker's operator; so far those that need no running broker.
@main
struct AdminCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mqadmin", abstract: "Looks into brokers and their stores.", subcommands: [ScanStore.self])
}
