import LabAgent
import LabCluster

/// Two writes to one block of the disk that a power cut is to strike: one that was synced, and one right before the cut
/// that was not.
///
/// A host that falls silent may only have been cut off, or stopped in an orderly way: then everything is written back, and a
/// run that loses nothing proves nothing. The block lies in the daemon's store. Only a disk that lost what was not synced
/// and kept what was shows the first of the two afterwards.
struct PowerWitness: Sendable {
    /// One block; a sector of it can't be torn from the rest without showing.
    static let bytes = 4096

    let uid: String
    let storePath: String

    private var path: String { "\(storePath)/.seatrial-witness-\(uid)" }

    static func block(_ text: String, uid: String) -> [UInt8] {
        let line = Array("\(text) \(uid)\n".utf8)
        return (0..<bytes).map { line[$0 % line.count] }
    }

    /// Leaves both; the cut must follow at once, before the kernel writes the second one back by itself (after seconds).
    /// - Throws: `AgentFailure` when the host would not take them; nothing has happened to it then.
    func leave(on link: HostLink) async throws(AgentFailure) {
        try await link.agent.writeFile(path, Self.block("synced", uid: uid))
        let over = try await link.agent.run(
            RunRequest(
                arguments: [
                    "dd", "of=\(path)", "bs=\(Self.bytes)", "count=1", "iflag=fullblock", "conv=notrunc", "status=none",
                ], standardInput: Self.block("unsynced", uid: uid), timeoutMilliseconds: 5_000))
        guard over.exitCode == 0 else {
            throw AgentFailure(
                .system, "can't write to \(path): \(String(decoding: over.standardError.bytes, as: UTF8.self))")
        }
    }

    /// What the disk shows after the host is back.
    func look(on link: HostLink) async -> (didLose: Bool, evidence: String) {
        let content: [UInt8]
        do throws(AgentFailure) {
            content = try await link.agent.readFile(path).content.bytes
        } catch {
            guard error.code == .notFound else { return (false, "\(path) could not be looked at: \(error)") }
            return (
                false, "\(path), which was synced before the cut, is gone: this disk does not keep what it is told to"
            )
        }
        // It stays where it can't be removed; the cluster's end takes all of the store.
        _ = try? await link.agent.removePath(path)
        return judge(content)
    }

    func judge(_ content: [UInt8]) -> (didLose: Bool, evidence: String) {
        switch content {
        case Self.block("synced", uid: uid):
            return (true, "of two writes before the cut only the synced one is on the disk")
        case Self.block("unsynced", uid: uid):
            return (
                false,
                "what was written right before and never synced is on the disk all the same: the power of the disk that has "
                    + "\(storePath) was not cut"
            )
        default:
            return (
                false,
                "\(path), which was synced before the cut, is damaged: this disk does not keep what it is told to"
            )
        }
    }
}
