import Foundation
import Glibc
import Testing

/// A real etcd of one member on loopback, in a folder of its own; ended with the object.
final class EtcdProcess {
    let root: URL
    let port: Int
    private let process = Process()

    var endpoint: String { "127.0.0.1:\(port)" }

    /// Starts it, and waits until it answers.
    init() async throws {
        root = FileManager.default.temporaryDirectory.appendingPathComponent("etcd-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        let (port, peerPort) = try (Self.freePort(), Self.freePort())
        self.port = port
        process.executableURL = URL(fileURLWithPath: "/usr/bin/etcd")
        let (own, peer) = ("http://127.0.0.1:\(port)", "http://127.0.0.1:\(peerPort)")
        process.arguments = [
            "--data-dir", root.appendingPathComponent("data").path, "--listen-client-urls", own,
            "--advertise-client-urls", own, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", "default=\(peer)", "--logger", "zap",
        ]
        let log = root.appendingPathComponent("log")
        try Data().write(to: log)
        let output = try FileHandle(forWritingTo: log)
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let deadline = ContinuousClock.now.advanced(by: .seconds(30))
        while !isListening() {
            guard ContinuousClock.now < deadline, process.isRunning else {
                throw CocoaError(
                    .fileReadUnknown, userInfo: ["log": (try? String(contentsOf: log, encoding: .utf8)) ?? ""])
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    deinit {
        kill(process.processIdentifier, SIGKILL)
        kill(process.processIdentifier, SIGCONT)
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: root)
    }

    func signal(_ signal: Int32) { kill(process.processIdentifier, signal) }

    private func isListening() -> Bool { Self.onSocket(port) { connect($0, $1, $2) == 0 } }

    private static func freePort() throws -> Int {
        for _ in 0..<1000 {
            // Below what the system gives to connections.
            let port = Int.random(in: 24_001..<32_000)
            if onSocket(port, { bind($0, $1, $2) == 0 }) { return port }
        }
        throw CocoaError(.fileNoSuchFile)
    }

    private static func onSocket(
        _ port: Int, _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Bool
    ) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
