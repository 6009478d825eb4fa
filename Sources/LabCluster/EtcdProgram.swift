import Glibc
import LabAgent
import SystemPackage

/// The program `etcd`, which is not ours: Debian's package `etcd-server` has it.
///
/// A host's own is taken where there is one, as its administrator wants it; else the controller's is sent, as our daemons are.
enum EtcdProgram {
    /// Its name on a host's `PATH`.
    static let name = "etcd"
    /// The JSON gateway that brokers speak to stands at `/v3` from this version on.
    static let oldest = (major: 3, minor: 4)
    private static let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]

    /// Beside our own programs, or installed on this machine.
    static func onController(beside folder: FilePath) -> FilePath? {
        ([folder] + folders.map { FilePath($0) }).map { $0.appending(name) }
            .first { access($0.string, X_OK) == 0 }
    }

    /// The version of a host's own; nil when it has none.
    static func version(on agent: AgentClient) async throws(AgentFailure) -> String? {
        let result: RunResult
        do throws(AgentFailure) {
            result = try await agent.run(RunRequest(arguments: [name, "--version"]))
        } catch {
            guard error.code == .spawnFailed else { throw error }
            return nil
        }
        return version(in: String(decoding: result.standardOutput.bytes, as: UTF8.self))
    }

    /// As `etcd --version` says it: `etcd Version: 3.4.23`.
    static func version(in text: String) -> String? {
        text.split(separator: "\n").first { $0.hasPrefix("etcd Version: ") }.map { String($0.dropFirst(14)) }
    }

    static func isNewEnough(_ version: String) -> Bool {
        let numbers = version.split(separator: ".").compactMap { Int($0) }
        guard numbers.count >= 2 else { return false }
        return (numbers[0], numbers[1]) >= oldest
    }
}
