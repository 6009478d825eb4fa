import ArgumentParser
import Glibc
import LabCluster
import LabHosts
import LabInventory
import LabText
import SystemPackage

/// Where things are: the same flags for every command that needs them.
struct PlaceOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Folder for hosts, keys and runs.", valueName: "dir"))
    var state: String = ".seatrial"

    @Option(help: ArgumentHelp("Folder of the labs and modes.", valueName: "dir"))
    var labs: String?

    @Option(
        help: ArgumentHelp("Folder of the programs to deploy (default: where seatrial itself is).", valueName: "dir"))
    var programs: String?

    var stateFolder: FilePath { absolute(state) }
    var runsFolder: FilePath { stateFolder.appending("runs") }

    /// The folder that this program was started from.
    var programFolder: FilePath {
        if let programs { return absolute(programs) }
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let length = readlink("/proc/self/exe", &buffer, Int(PATH_MAX))
        guard length > 0 else { return "." }
        let path = buffer.prefix(length).map { UInt8(bitPattern: $0) }
        return FilePath(String(decoding: path, as: UTF8.self)).removingLastComponent()
    }

    /// `labs/` here, or beside the checkout that the program was built in.
    var labsFolder: FilePath {
        if let labs { return absolute(labs) }
        var folder = absolute("labs")
        if access(folder.string, R_OK) == 0 { return folder }
        var place = programFolder
        while !place.components.isEmpty {
            folder = place.appending("labs")
            if access(folder.appending("modes").string, R_OK) == 0 { return folder }
            place.removeLastComponent()
        }
        return absolute("labs")
    }

    var agentBinary: FilePath {
        get throws { try ProgramFile.require("seatrial-agent", in: programFolder) }
    }

    func mode(_ name: String) throws -> Topology {
        if name.contains("/") || name.hasSuffix(".yaml") {
            let given = absolute(name)
            let withEnding = absolute(name + ".yaml")
            let isWithoutEnding = access(given.string, R_OK) != 0 && access(withEnding.string, R_OK) == 0
            return try Topology.load(isWithoutEnding ? withEnding : given)
        }
        let modes = labsFolder.appending("modes")
        let file = modes.appending("\(name).yaml")
        guard access(file.string, R_OK) == 0 else {
            let known = FolderListing.names(modes).filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }
            throw UsageError("\(modes): no mode '\(name)'; \(Nearest.suggestion(for: name, among: known))")
        }
        return try Topology.load(file)
    }

    private func absolute(_ path: String) -> FilePath {
        let given = FilePath(path)
        if given.isAbsolute { return given.lexicallyNormalized() }
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        guard getcwd(&buffer, buffer.count) != nil else { return given }
        let here = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return FilePath(here).pushing(given).lexicallyNormalized()
    }
}

/// Which hosts: inventories, as Ansible takes them.
struct InventoryOptions: ParsableArguments {
    @Option(
        name: [.customShort("i"), .customLong("inventory")],
        help: ArgumentHelp(
            "Ansible inventory; may be given several times (default: the hosts of 'seatrial hosts up').",
            valueName: "file"))
    var inventories: [String] = []

    @Option(
        name: .customShort("F"),
        help: ArgumentHelp("An ssh_config for what the inventory leaves out.", valueName: "file"))
    var sshConfig: String?

    @Option(
        name: .customLong("limit"), help: ArgumentHelp("Only these hosts, as in 'brokers:!b2'.", valueName: "pattern"))
    var limit: String?

    func load(_ place: PlaceOptions) throws -> Inventory {
        var paths = inventories.map { FilePath($0) }
        if paths.isEmpty {
            let hosts = LocalHosts(stateDirectory: place.stateFolder)
            let local = hosts.inventoryPath
            guard access(local.string, R_OK) == 0 else {
                guard !hosts.isHalfUp else {
                    throw UsageError(
                        "the hosts of \(place.stateFolder) are half up: a 'seatrial hosts up' was killed or still runs; run it again"
                    )
                }
                throw UsageError(
                    "no hosts yet in \(place.stateFolder): bring some up with 'seatrial hosts up 3', or name an inventory with -i"
                )
            }
            paths = [local]
        }
        let inventory = try Inventory.load(paths, sshConfig: sshConfig.map { FilePath($0) })
        for warning in inventory.warnings { Terminal.complain("warning: \(warning)") }
        return inventory
    }

    /// Refuses whoever may not use the key of the hosts of 'seatrial hosts up', before the hosts do with more words.
    func requireAccess(_ place: PlaceOptions) throws {
        guard inventories.isEmpty else { return }
        try LocalHosts(stateDirectory: place.stateFolder).requireAccess(for: UsageLine.commandLine)
    }

    /// Refuses hosts of 'seatrial hosts up' that are known to be without power, before a connection waits for them in vain.
    func requirePower(of hosts: some Sequence<InventoryHost>, _ place: PlaceOptions) throws {
        guard inventories.isEmpty else { return }
        let off = Set(LocalHosts(stateDirectory: place.stateFolder).list().filter { $0.state == .off }.map(\.name))
        if let host = hosts.first(where: { off.contains($0.name) }) {
            throw HostsNotReady(
                description: "host '\(host.name)' is off: 'seatrial hosts power on \(host.name)' boots it")
        }
    }

    /// All hosts that the limit leaves.
    /// - Throws: `UsageError` when it leaves none: whoever asks for nothing has mistyped something.
    func selected(_ place: PlaceOptions) throws -> [InventoryHost] {
        let hosts = try load(place).select("all", limit: limit)
        if hosts.isEmpty, let limit { throw UsageError("--limit '\(limit)' leaves no host") }
        return hosts
    }

    /// The hosts of a group that the limit leaves.
    func hosts(_ group: String, in inventory: Inventory) throws -> [InventoryHost] {
        try inventory.select(group, limit: limit)
    }
}
