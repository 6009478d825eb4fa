import ArgumentParser

@main
struct Seatrial: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "seatrial",
        abstract: "A sea trial for message brokers: deploy real ones, break them on purpose, grade what was observed.",
        discussion: """
            Begin here:
              seatrial hosts up 3          three hosts on this machine (needs root)
              seatrial lab run 01          a guided lab, from first message to verdict
              seatrial hosts down          take them away again

            Exit status: 0 pass, 1 fail, 2 inconclusive, 3 the lab itself broke, 64 usage.
            """,
        version: SeatrialVersion.text,
        subcommands: [
            HostsCommand.self, InventoryCommand.self, TrustCommand.self, DeployCommand.self, StatusCommand.self,
            StartCommand.self, StopCommand.self, RestartCommand.self, LogsCommand.self, DestroyCommand.self,
            UploadCommand.self, FaultCommand.self, LabCommand.self, TrialCommand.self,
            GradeCommand.self,
            CheckCommand.self, RunsCommand.self,
        ])

    static func main() async {
        await Exit.run {
            if let unknown = UsageLine.unknownHelp() { throw UsageError(unknown) }
            var command = try Seatrial.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        }
    }
}

enum SeatrialVersion {
    static let text = "0.1.0"
}
