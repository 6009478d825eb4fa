import ArgumentParser
import LabInventory

struct InventoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inventory",
        abstract: "What an inventory says: hosts, groups, variables.",
        discussion: """
            Examples:
              seatrial inventory list -i hosts.yaml
              seatrial inventory graph -i hosts.yaml --limit 'brokers:!b2'
            """,
        subcommands: [List.self, Graph.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The hosts, how they are reached and their groups.",
            usage: "seatrial inventory list [<pattern>] [<options>]",
            discussion: "Example: seatrial inventory list 'brokers:&rack1' -i hosts.yaml --json")

        @Argument(help: "Which hosts, in Ansible's patterns.") var pattern = "all"
        @OptionGroup var inventory: InventoryOptions
        @OptionGroup var place: PlaceOptions
        @OptionGroup var output: OutputOptions

        func run() throws {
            let loaded = try inventory.load(place)
            let hosts = try loaded.select(pattern, limit: inventory.limit)
            print(output.json ? loaded.listJSON(hosts) : loaded.listText(hosts))
        }
    }

    struct Graph: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The groups as a tree.", usage: "seatrial inventory graph [<options>]",
            discussion: "Example: seatrial inventory graph -i hosts.yaml")

        @OptionGroup var inventory: InventoryOptions
        @OptionGroup var place: PlaceOptions

        func run() throws {
            let kept = Set(try inventory.selected(place).map(\.name))
            print(try inventory.load(place).graphText { kept.contains($0) })
        }
    }
}
