import ArgumentParser
import LabCluster
import LabInventory
import LabSSH

struct TrustCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trust",
        abstract: "Show the host keys of an inventory's hosts, and record those that you trust.",
        usage: "seatrial trust [--yes] [<options>]",
        discussion: """
            Compare the fingerprints with what the hosts' own consoles say:
              ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
            A host whose recorded key has changed is never recorded anew: find out
            why first.

            Examples:
              seatrial trust -i hosts.yaml           asks, host by host
              seatrial trust -i hosts.yaml --yes     records all new ones
            """)

    @Flag(help: "Record every new key without asking.") var yes = false
    @OptionGroup var inventory: InventoryOptions
    @OptionGroup var place: PlaceOptions

    func run() async throws {
        let hosts = try inventory.selected(place)
        var changed: [String] = []
        var unreachable: [String] = []
        for host in hosts {
            let found: HostTrust
            do {
                found = try await HostTrust.look(at: host)
            } catch {
                try Task.checkCancellation()
                unreachable.append(host.name)
                print("\(host.name): NOT REACHED, \(error)")
                continue
            }
            switch found {
            case .known(let key):
                print("\(host.name): known, \(key.type) \(key.fingerprint)")
            case .new(let key, let file):
                print("\(host.name): new, \(key.type) \(key.fingerprint)")
                guard try yes || ask(host.name) else {
                    print("\(host.name): not recorded")
                    continue
                }
                try HostKeys.append(key, to: file)
                print("\(host.name): recorded in \(file)")
            case .changed(let key, let place):
                changed.append(host.name)
                print("\(host.name): CHANGED, now \(key.type) \(key.fingerprint); \(place) says otherwise")
            }
        }
        if !changed.isEmpty {
            Terminal.complain(
                "the key of \(changed.joined(separator: ", ")) changed: somebody may stand in between; nothing was recorded for it"
            )
        }
        if !unreachable.isEmpty {
            Terminal.complain(
                "\(unreachable.joined(separator: ", ")): no key was had (\(unreachable.count) of \(hosts.count) hosts); mend that and say 'seatrial trust' again"
            )
        }
        guard changed.isEmpty && unreachable.isEmpty else { throw ExitCode(Exit.labError) }
    }

    private func ask(_ name: String) throws -> Bool {
        guard Terminal.isInteractive else {
            throw UsageError("this is no terminal, so nobody can be asked; say --yes to record new keys")
        }
        print("record the key of \(name)? [y/N] ", terminator: "")
        Terminal.flushOutput()
        return readLine()?.lowercased().hasPrefix("y") == true
    }
}
