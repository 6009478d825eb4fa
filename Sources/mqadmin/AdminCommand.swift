import ArgumentParser
import MQProgram

/// `mqadmin`: tools for a broker's operator, with the names and flags of Apache's.
@main
struct AdminCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mqadmin", abstract: "Looks into clusters, brokers and their stores.",
        discussion: "Example: mqadmin clusterList -n 127.0.0.1:9876", version: ProgramVersion.text,
        groupedSubcommands: [
            CommandGroup(
                name: "Clusters",
                subcommands: [
                    ClusterList.self, BrokerStatus.self, GetBrokerConfig.self, UpdateBrokerConfig.self,
                    WipeWritePermission.self, AddWritePermission.self,
                    SwitchMaster.self,
                ]),
            CommandGroup(
                name: "Topics",
                subcommands: [
                    TopicList.self, TopicRouteCommand.self, TopicStatus.self, UpdateTopic.self, DeleteTopic.self,
                ]),
            CommandGroup(
                name: "Groups",
                subcommands: [
                    ConsumerProgress.self, ConsumerConnection.self, ResetOffsetByTime.self,
                    UpdateSubscriptionGroup.self,
                ]),
            CommandGroup(
                name: "Messages",
                subcommands: [
                    QueryMessageByID.self, QueryMessageByKey.self, QueryMessageByOffset.self, SendMessage.self,
                    ConsumeMessage.self,
                ]),
            CommandGroup(name: "Stores", subcommands: [ScanStore.self, ScrubStore.self]),
        ])

    static func main() async { await ProgramLine.run(Self.self) }
}
