import ArgumentParser
import Glibc
import LabCluster
import LabInventory
import SystemPackage

struct UploadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upload",
        abstract: "Copy a file to hosts; where it is there already, nothing is sent.",
        usage: "seatrial upload <file> <remote> [<options>]",
        discussion: "Example: seatrial upload ./tool /srv/tool --limit brokers --executable")

    @Argument(help: "The file here.") var file: String
    @Argument(help: "Its path on each host.") var remote: String
    @Flag(help: "Let it be executed.") var executable = false
    @OptionGroup var inventory: InventoryOptions
    @OptionGroup var place: PlaceOptions

    func validate() throws {
        guard remote.hasPrefix("/") else {
            throw ValidationError("'\(remote)': the path on the hosts must begin with /")
        }
    }

    func run() async throws {
        guard access(file, R_OK) == 0 else {
            throw UsageError("\(file): there is no such file here, or it can't be read")
        }
        let hosts = try inventory.load(place).select("all", limit: inventory.limit)
        try inventory.requireAccess(place)
        CleanUp.begin()
        for line in try await FileDistribution.upload(
            FilePath(file), to: remote, mode: executable ? 0o755 : 0o644, on: hosts)
        {
            print(line)
        }
    }
}
