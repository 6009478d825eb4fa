import SystemPackage

/// The text of the inventory and the known hosts that `up` leaves for Ansible and for the controller.
enum HostsInventory {
    /// Which of so many hosts are nameservers and brokers, by their places in the list.
    static func roles(_ count: Int) -> (nameservers: Range<Int>, brokers: Range<Int>) {
        let nameservers = count < 4 ? 1 : count < 8 ? 2 : 3
        return (0..<nameservers, count >= 3 ? nameservers..<(count - 1) : (count - 1)..<count)
    }

    /// Ansible's YAML. The first hosts are nameservers (one of up to three hosts, two of up to seven, else three), the
    /// last one is the client, those between are brokers; of one or two hosts the last is both.
    static func yaml(
        names: [String], addresses: [String], key: FilePath, knownHosts: FilePath, power: PowerCommand
    ) -> String {
        precondition(
            names.count == addresses.count && !names.isEmpty, "\(names.count) names, \(addresses.count) addresses")
        let roles = roles(names.count)
        func group(_ name: String, _ members: [String]) -> String {
            "    \(name):\n      hosts:\n" + members.map { "        \($0):\n" }.joined()
        }
        var text = """
            # Written by 'seatrial hosts up' and removed by 'seatrial hosts down'; edits are lost.
            all:
              vars:
                ansible_user: root
                ansible_ssh_private_key_file: \(quoted(key.string))
                ansible_ssh_common_args: \(quoted("-o UserKnownHostsFile=\(knownHosts.string)"))
                seatrial_dir: /srv/seatrial
                seatrial_allow: [reboot, clock, disk, power]
              hosts:

            """
        for (name, address) in zip(names, addresses) {
            text += "    \(name):\n      ansible_host: \(address)\n      seatrial_address: \(address)\n"
            text += "      seatrial_power_off: \(quoted(power.line(power.off(name, seconds: "{seconds}"))))\n"
            text += "      seatrial_power_on: \(quoted(power.line(power.on(name))))\n"
        }
        text += "  children:\n"
        text +=
            group("nameservers", Array(names[roles.nameservers])) + group("brokers", Array(names[roles.brokers]))
            + group("clients", [names[names.count - 1]])
        return text
    }

    /// A YAML single-quoted scalar.
    private static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }

    /// One line of `known_hosts` from a public key file's text.
    static func knownHost(name: String, address: String, publicKey: String) -> String {
        let fields = publicKey.split(whereSeparator: { $0 == " " || $0 == "\n" })
        return "\(address),\(name) \(fields.prefix(2).joined(separator: " "))\n"
    }
}
