import Glibc
import SystemPackage

/// Packets that are cut off: rules in a table of their own, probed from this host, and gone with the table.
extension FaultKeeper {
    private var tables: NetworkTables { NetworkTables(root: root) }
    /// Pause between two looks at peers that do not answer yet.
    private static let healLookMilliseconds: Int64 = 20

    /// Refuses what this host can't do or must not have done to it, before anything is written.
    func checkNetwork(_ fault: NetworkFault) throws(AgentFailure) {
        guard geteuid() == 0 else {
            throw AgentFailure(
                .badRequest, "this host's packets are root's to cut off (set ansible_become)")
        }
        guard tables.isPossible else {
            throw AgentFailure(
                .badRequest, "this host has no 'nft': install nftables there ('apt-get install nftables')")
        }
        guard let path = ControllerPath.find(),
            let rule = fault.rules.first(where: { path.isCut(by: $0) })
        else {
            return
        }
        throw AgentFailure(
            .badRequest,
            "it would cut the controller's own SSH connection (\(path)): leave \(rule.peer) out, or name ports"
        )
    }

    /// Does the deed and looks whether it took effect.
    func cutNetwork(_ fault: NetworkFault, table: String) throws(AgentFailure) -> DeedOutcome {
        let text = NetworkScript.text(fault, table: table)
        try tables.perform(text)
        // A peer that cuts this host off makes it silent, too: that it is by this host's own rules, the kernel has to say.
        var listing: NetworkTables.Listing?
        let answers = try NetworkProber.wait(for: fault.probes, milliseconds: fault.silenceMilliseconds) {
            () throws(AgentFailure) in listing = try tables.look(table)
        }
        let (wanted, there) = (NetworkScript.rules(in: text), listing?.rules ?? 0)
        guard there == wanted else {
            return DeedOutcome(bit: false, evidence: "\(there) of \(wanted) rules are in the kernel")
        }
        let heard = zip(fault.probes, answers).filter { $1.isAnswered }.map { "\($0.0)" }
        guard heard.isEmpty else {
            return DeedOutcome(bit: false, evidence: "still answered by \(heard.joined(separator: ", "))")
        }
        let silent = fault.probes.map { "\($0)" }.joined(separator: ", ")
        let seen =
            silent.isEmpty ? "\(fault.rules.count) rules are in place" : "no answer from \(silent)"
        return DeedOutcome(bit: true, evidence: seen)
    }

    /// Removes the table and waits for the peers to answer again.
    ///
    /// That the rules are gone is this host's to say; that nobody answers may be another's doing, and is told.
    func mendNetwork(_ record: FaultRecord, table: String) throws(AgentFailure) -> (
        evidence: String, unanswered: [NetworkProbe]
    ) {
        let taken = try tables.look(table)?.packets
        try tables.perform(NetworkScript.removal(of: table))
        let counted = taken.map { "\($0) packets were cut off" } ?? "its rules were gone before"
        guard case .network(let fault) = record.loan.kind, record.bit == true else {
            return (counted, [])
        }
        let silent = Self.awaitAnswers(of: fault)
        // Answers say that the rules are gone; without any, the kernel is asked once more.
        if silent.count == fault.probes.count, try tables.look(table) != nil {
            throw AgentFailure(.system, "'\(table)' is still there; see 'nft list table inet \(table)'")
        }
        guard silent.isEmpty else {
            let names = silent.map { "\($0)" }.joined(separator: ", ")
            return ("\(counted); its rules are gone, and no answer comes from \(names)", silent)
        }
        let peers = Set(fault.probes.map(\.address)).count
        let again = peers == 0 ? "" : peers == 1 ? "; its peer answers again" : "; \(peers) peers answer again"
        return (counted + again, [])
    }

    private static func awaitAnswers(of fault: NetworkFault) -> [NetworkProbe] {
        let deadline =
            HostClock.monotonicNanoseconds() + AgentLimits.networkHealMilliseconds * 1_000_000
        var waiting = fault.probes
        while !waiting.isEmpty {
            let began = HostClock.monotonicNanoseconds()
            let answers = NetworkProber.wait(for: waiting, milliseconds: healLookMilliseconds)
            // A peer that refuses has heard it, unless rules are what refuses.
            waiting = zip(waiting, answers).filter { pair in
                !(pair.1.isAnswered || fault.answer == .drop && pair.1 == .refused)
            }.map(\.0)
            let now = HostClock.monotonicNanoseconds()
            guard now < deadline else { break }
            // What is refused is refused at once.
            let rest = healLookMilliseconds * 1_000_000 - (now - began)
            if !waiting.isEmpty, rest > 0 { usleep(UInt32(rest / 1_000)) }
        }
        return waiting
    }

    /// Whether an open loan's rules went without it: the host has booted again in between, which leaves no rule.
    func lostItsRules(_ record: FaultRecord) throws(AgentFailure) -> Bool {
        guard case .removeTable(let table) = record.undo, record.state == .active, tables.isPossible
        else {
            return false
        }
        return try tables.look(table) == nil
    }

    /// Removes tables of which no open loan tells: their records were removed by hand, or another release made them.
    ///
    /// - Parameter everyVersion: also those of another release, whose roots can't be told: for the kill switch.
    /// - Returns: a line for each.
    func removeStrayTables(everyVersion: Bool) throws(AgentFailure) -> [String] {
        guard geteuid() == 0, tables.isPossible else { return [] }
        // Listed before the loans are: a table's loan is on the disk before the table is there.
        let found = try tables.all()
        guard !found.isEmpty else { return [] }
        let sweep = try all()
        // A loan that can't be read may be whose table this is.
        let unread = Set(
            sweep.failures.map { NetworkScript.table(uid: $0.uid, root: root.path.string) })
        var open: Set<String> = unread
        for record in sweep.records where record.state != .healed {
            if case .removeTable(let table) = record.undo { open.insert(table) }
        }
        var told: [String] = []
        for table in found where !open.contains(table) {
            let isOwn = NetworkScript.isOwn(table, root: root.path.string)
            guard isOwn || everyVersion && NetworkScript.isOfAnotherVersion(table) else { continue }
            try tables.perform(NetworkScript.removal(of: table))
            told.append("removed nftables table '\(table)', of which no fault told")
        }
        return told
    }
}

/// What came of a deed.
struct DeedOutcome: Sendable, Equatable {
    /// Whether it was seen to take effect.
    var bit: Bool
    /// What was seen, where there is something to tell.
    var evidence: String?
}
