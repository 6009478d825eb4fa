/// The lab's tables in this host's kernel, by way of `nft`.
struct NetworkTables: Sendable {
    /// How long a transaction may take; it takes milliseconds.
    private static let timeoutMilliseconds: Int64 = 10_000

    let root: AgentRoot

    /// Carries out one transaction: all of it or nothing.
    func perform(_ script: String) throws(AgentFailure) {
        let result = try nft(["-f", "-"], input: script)
        guard result.exitCode == 0 else {
            throw AgentFailure(
                .system, "nft would not take the rules: \(Self.firstLine(result.standardError))")
        }
    }

    /// All of the lab's, of any version and root.
    func all() throws(AgentFailure) -> [String] {
        let result = try nft(["list", "tables"])
        guard result.exitCode == 0 else {
            throw AgentFailure(.system, "nft can't list tables: \(Self.firstLine(result.standardError))")
        }
        return NetworkScript.tables(
            inListing: String(decoding: result.standardOutput.bytes, as: UTF8.self))
    }

    /// What the kernel says of a table.
    struct Listing: Sendable, Equatable {
        var rules: Int
        /// How many packets the rules have taken.
        var packets: Int64
    }

    /// A table as it is; nil when it is not there.
    func look(_ table: String) throws(AgentFailure) -> Listing? {
        let result = try nft(["list", "table", "inet", table])
        guard result.exitCode == 0 else {
            // "No such file or directory", as nft says it; anything else is no answer.
            let line = Self.firstLine(result.standardError)
            guard line.contains("No such file") else {
                throw AgentFailure(.system, "nft can't list '\(table)': \(line)")
            }
            return nil
        }
        let text = String(decoding: result.standardOutput.bytes, as: UTF8.self)
        return Listing(rules: NetworkScript.rules(in: text), packets: NetworkScript.packets(inListing: text))
    }

    /// Whether this host has `nft` at all; without it no table of the lab's was ever made.
    var isPossible: Bool { (try? DaemonKeeper.executable("nft", root)) != nil }

    private func nft(_ arguments: [String], input: String = "") throws(AgentFailure) -> RunResult {
        let result = try ProgramRunner(root: root).run(
            RunRequest(
                arguments: ["nft"] + arguments, standardInput: Array(input.utf8),
                environment: ["LC_ALL": "C"], timeoutMilliseconds: Self.timeoutMilliseconds))
        guard !result.timedOut else {
            throw AgentFailure(.timedOut, "nft did not end in time; see 'nft list ruleset'")
        }
        return result
    }

    private static func firstLine(_ bytes: AgentBytes) -> String {
        String(decoding: bytes.bytes, as: UTF8.self).split(separator: "\n").first.map(String.init)
            ?? "no message"
    }
}
