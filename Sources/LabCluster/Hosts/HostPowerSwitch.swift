import LabInventory
import LabSSH
import Subprocess
import SystemPackage

/// A host's power, switched by the commands of its inventory and never through the host: that dies with it.
struct HostPowerSwitch: Sendable {
    /// How long a command that cuts the power may take.
    static let offTimeout = Duration.seconds(60)
    /// How long one that brings it back may take; a local host's waits for the boot.
    static let onTimeout = Duration.seconds(180)
    /// How long a host may take from power to the greeting of its `sshd`.
    static let bootTimeout = Duration.seconds(180)
    /// How long a live host may take to begin its greeting before it counts as silent.
    static let greeting = Duration.milliseconds(400)
    /// Between two looks at a host that boots.
    static let pause = Duration.milliseconds(50)
    static let outputBytes = 64 * 1024

    let host: InventoryHost

    /// Cuts the power for so long at most.
    /// - Returns: what the command said.
    func off(seconds: Double) async throws -> String {
        try await run(try control().off(seconds: seconds), within: Self.offTimeout)
    }

    /// Brings the power back, and waits until the host greets.
    func on() async throws -> String {
        let said = try await run(try control().on, within: Self.onTimeout)
        let deadline = ContinuousClock.now + Self.bootTimeout
        while await silence() != nil {
            guard ContinuousClock.now < deadline else {
                throw ClusterError(
                    .unreachableHost,
                    "host '\(host.name)': no greeting within \(Self.bootTimeout) of its power's return; look at its console"
                )
            }
            try await Task.sleep(for: Self.pause)
        }
        return said
    }

    /// How the host is seen to be silent; nil when it greets, or refuses, which only a live machine does.
    func silence() async -> String? {
        let configuration = SSHConfiguration(host)
        do throws(SSHError) {
            _ = try await HostKeys.fetch(
                configuration.endpoint, timeout: Self.greeting, proxy: configuration.proxy)
            return nil
        } catch {
            switch error.code {
            case .timedOut, .unreachable, .proxyFailed, .connectionLost:
                return "no answer on \(configuration.endpoint)"
            default: return nil
            }
        }
    }

    private func control() throws(ClusterError) -> HostPower {
        if let reason = host.reasonAgainstPowerLoss { throw ClusterError(.agentFailed, reason) }
        guard let power = host.power else { preconditionFailure("host '\(host.name)' has no power control") }
        return power
    }

    /// In a session of its own, so that a Ctrl-C on the terminal does not end it half way.
    private func run(_ words: [String], within timeout: Duration) async throws -> String {
        var platform = PlatformOptions()
        platform.createSession = true
        let (options, program) = (platform, words[0])
        let arguments = Arguments(Array(words.dropFirst()))
        let executable: Executable = program.contains("/") ? .path(FilePath(program)) : .name(program)
        return try await withThrowingTaskGroup(of: String?.self) { group in
            group.addTask {
                let result = try await Subprocess.run(
                    executable, arguments: arguments, platformOptions: options,
                    output: .string(limit: Self.outputBytes), error: .string(limit: Self.outputBytes))
                guard result.terminationStatus.isSuccess else {
                    let text = [result.standardError, result.standardOutput].first { !$0.isEmpty } ?? "no message"
                    throw ClusterError(
                        .agentFailed,
                        "host '\(host.name)': '\(words.joined(separator: " "))' failed (\(result.terminationStatus)): \(Self.line(text))"
                    )
                }
                return Self.line(result.standardOutput)
            }
            group.addTask {
                try await Task.sleep(for: timeout)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let said = first else {
                throw ClusterError(
                    .agentFailed, "host '\(host.name)': '\(words.joined(separator: " "))' took longer than \(timeout)")
            }
            return said
        }
    }

    private static func line(_ text: String) -> String {
        text.split(separator: "\n").suffix(2).joined(separator: "; ")
    }
}
