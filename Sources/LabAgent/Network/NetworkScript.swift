/// A partition in nftables' language, and the names of the tables that it lives in. Pure.
///
/// One table a fault, `seatrial_v1_TAG_UID`: what undoes it is one transaction that removes the table, whatever is in it. The
/// tag stands for the agent's root, so that two labs on one host leave each other's alone; the version for the shape of what
/// is inside, so that the tables of another release are known for the lab's.
public enum NetworkScript {
    /// Every table of the lab's begins with it, of any version.
    static let family = "seatrial_"
    static let version = 1
    /// Before filters (0) of the host's own, which see only what the lab lets through, and after connection tracking (-200).
    private static let priority = -150

    /// The table of one fault.
    public static func table(uid: String, root: String) -> String {
        "\(family)v\(version)_\(tag(root))_\(uid)"
    }

    /// FNV-1a (Fowler, Noll, Vo), 32 bits, of the root's path.
    static func tag(_ root: String) -> String {
        var hash: UInt32 = 0x811C_9DC5
        for byte in root.utf8 { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        let text = String(hash, radix: 16)
        return String(repeating: "0", count: 8 - text.count) + text
    }

    /// Whether a table is one of this root's, of whatever version.
    static func isOwn(_ table: String, root: String) -> Bool {
        let parts = table.split(separator: "_", maxSplits: 3)
        return table.hasPrefix(family) && parts.count == 4 && parts[1].first == "v"
            && parts[2] == tag(root)
    }

    /// Whether a table is of another release's shape, and so of nobody's that could be told.
    static func isOfAnotherVersion(_ table: String) -> Bool {
        table.hasPrefix(family) && !table.hasPrefix("\(family)v\(version)_")
    }

    /// Removes a table, there or not, in one transaction.
    public static func removal(of table: String) -> String {
        "add table inet \(table)\ndelete table inet \(table)\n"
    }

    /// Makes the table anew, in one transaction: all rules or none are there.
    public static func text(_ fault: NetworkFault, table: String) -> String {
        var lines = ["table inet \(table) {"]
        for (direction, hook) in [(NetworkRule.Direction.incoming, "input"), (.outgoing, "output")] {
            let rules = fault.rules.filter { $0.direction == direction }
            guard !rules.isEmpty else { continue }
            lines.append("  chain \(direction.rawValue) {")
            lines.append("    type filter hook \(hook) priority \(priority); policy accept;")
            for rule in rules { lines += matches(rule, fault.answer).map { "    \($0)" } }
            lines.append("  }")
        }
        return removal(of: table) + (lines + ["}"]).joined(separator: "\n") + "\n"
    }

    private static func matches(_ rule: NetworkRule, _ answer: NetworkFault.Answer) -> [String] {
        let isIncoming = rule.direction == .incoming
        let peer = "ip \(isIncoming ? "saddr" : "daddr") \(rule.peer)"
        func tcp(_ side: String, _ ports: [UInt16]) -> [String] {
            let set = ports.map(String.init).joined(separator: ", ")
            return [
                "\(peer) tcp \(side) { \(set) } counter \(answer == .drop ? "drop" : "reject with tcp reset")"
            ]
        }
        switch rule.ports {
        case .local(let ports): return tcp(isIncoming ? "dport" : "sport", ports)
        case .remote(let ports): return tcp(isIncoming ? "sport" : "dport", ports)
        case .all:
            if answer == .drop { return ["\(peer) counter drop"] }
            return ["\(peer) meta l4proto tcp counter reject with tcp reset", "\(peer) counter reject"]
        }
    }

    /// How many rules a table has, in the text that makes it and in what `nft list table` says.
    static func rules(in text: String) -> Int {
        text.split(whereSeparator: { $0 == " " || $0 == "\n" || $0 == "\t" }).count { $0 == "counter" }
    }

    /// How many packets the rules of a listed table have taken.
    static func packets(inListing text: String) -> Int64 {
        var sum: Int64 = 0
        let words = text.split(whereSeparator: { $0 == " " || $0 == "\n" || $0 == "\t" })
        for (place, word) in words.enumerated() where word == "packets" && place + 1 < words.count {
            sum += Int64(words[place + 1]) ?? 0
        }
        return sum
    }

    /// The lab's tables in what `nft list tables` says.
    static func tables(inListing text: String) -> [String] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 3, words[0] == "table", words[1] == "inet", words[2].hasPrefix(family)
            else {
                return nil
            }
            return String(words[2])
        }
    }
}
