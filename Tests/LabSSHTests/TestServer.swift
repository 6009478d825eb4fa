import Glibc
import SystemPackage

@testable import LabSSH

/// A real `sshd` on the loopback, with a configuration, host key and account keys of its own.
final class TestServer: Sendable {
    let scratch: Scratch
    let port: Int
    private let daemon: Spawned

    /// - Parameters:
    ///   - keys: Where host and account keys are; made there if they are missing.
    ///   - lines: More lines for its configuration.
    ///   - sftp: The program of its SFTP subsystem; nil for a host that has none.
    init(
        keys: Scratch? = nil, lines: [String] = [], sftp: String? = "/usr/lib/openssh/sftp-server"
    ) async throws {
        scratch = try keys ?? Scratch()
        port = try Self.freePort()
        mkdir("/run/sshd", 0o755)
        if access(scratch.file("host").string, F_OK) != 0 {
            try Self.makeKey(scratch.file("host"))
            try Self.makeKey(scratch.file("user"))
            let key = try scratch.read("user.pub")
            _ = try scratch.write(key, to: "authorized")
        }
        let configuration = """
            Port \(port)
            ListenAddress 127.0.0.1
            HostKey \(scratch.file("host"))
            AuthorizedKeysFile \(scratch.file("authorized"))
            PidFile none
            StrictModes no
            UsePAM no
            PermitRootLogin yes
            PasswordAuthentication no
            MaxSessions 40
            MaxStartups 100
            LogLevel INFO

            """ + (lines + (sftp.map { ["Subsystem sftp \($0)"] } ?? [])).joined(separator: "\n") + "\n"
        let file = try scratch.write(Array(configuration.utf8), to: "sshd-\(port).conf")
        daemon = try Spawned(
            ["/usr/sbin/sshd", "-D", "-e", "-f", file.string], log: scratch.file("sshd-\(port).log"))
        let key = try await ready()
        try HostKeys.append(key, to: knownHosts)
    }

    deinit { daemon.end() }

    var endpoint: SSHEndpoint { SSHEndpoint(host: "127.0.0.1", port: port, user: "root") }
    var knownHosts: FilePath { scratch.file("known-\(port)") }
    var userKey: FilePath { scratch.file("user") }

    var configuration: SSHConfiguration {
        SSHConfiguration(
            endpoint: endpoint, credentials: [.privateKey(userKey)], knownHosts: [knownHosts],
            connectTimeout: .seconds(20))
    }

    func connect() async throws -> SSHSession { try await SSHSession.connect(configuration) }

    static func makeKey(_ file: FilePath, type: String = "ed25519", passphrase: String = "") throws {
        try Spawned.run(["ssh-keygen", "-q", "-t", type, "-N", passphrase, "-f", file.string])
    }

    /// Asks until it answers; a daemon that does not start in 10 s never will.
    private func ready() async throws -> SSHHostKey {
        let end = ContinuousClock.now + .seconds(10)
        while true {
            do {
                return try await HostKeys.fetch(endpoint, timeout: .seconds(5))
            } catch {
                guard error.code == .connectionRefused, ContinuousClock.now < end else { throw error }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    /// A port that was free just now.
    static func freePort() throws -> Int {
        let socket = try Loopback.listen()
        defer { close(socket.descriptor) }
        return socket.port
    }
}

enum Loopback {
    /// A listening socket on a port that the system chose.
    static func listen() throws -> (descriptor: Int32, port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let failure = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, size) | Glibc.listen(descriptor, 16) | getsockname(descriptor, address, &size)
            }
        }
        guard failure == 0 else { throw Errno(rawValue: errno) }
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }

    static func connect(port: Int) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        address.sin_port = UInt16(port).bigEndian
        let failure = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard failure == 0 else { throw Errno(rawValue: errno) }
        return descriptor
    }
}
