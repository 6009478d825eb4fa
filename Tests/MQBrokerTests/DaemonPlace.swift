import Foundation
import Glibc
import Synchronization
import Testing

/// A directory with a configuration and a store.
final class DaemonPlace {
    let root: URL
    let port: Int

    init(_ extra: String = "") throws {
        root = FileManager.default.temporaryDirectory.appendingPathComponent("daemon-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        port = try Self.freePort()
        try """
        brokerName=broker-d
        bindAddress=127.0.0.1
        brokerIP1=127.0.0.1
        listenPort=\(port)
        storePathRootDir=\(root.path)/store
        mapedFileSizeCommitLog=1048576
        waitTimeMillsInSendQueue=60000
        \(extra)
        """.write(to: root.appendingPathComponent("b.properties"), atomically: true, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(at: root) }

    /// Below the ports that the system gives to connections, or one of those could take it meanwhile; each given once, and
    /// far enough from the next for a broker's second port, two below its first.
    private static let nextPort = Atomic(Int.random(in: 1_200..<2_400) * 10)

    /// A port that nobody listens on.
    static func freePort() throws -> Int {
        for _ in 0..<1000 {
            let port = nextPort.wrappingAdd(10, ordering: .relaxed).oldValue
            let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(listener) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = UInt16(port).bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            let isFree = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
            if isFree { return port }
        }
        throw CocoaError(.fileNoSuchFile)
    }

    func process(_ name: String, _ arguments: [String]) throws -> (Process, output: Pipe, errors: Pipe) {
        // The programs are built beside the tests that depend on them.
        let built = try #require(Bundle.main.executableURL).deletingLastPathComponent()
        let process = Process()
        process.executableURL = built.appendingPathComponent(name)
        process.arguments = arguments
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        return (process, output, errors)
    }

    /// Starts the broker and waits for its line.
    func broker() throws -> Process {
        let (process, output, _) = try process(
            "mqbroker", ["-c", root.appendingPathComponent("b.properties").path])
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        #expect(line == "mqbroker broker-d listening on 127.0.0.1:\(port), store in \(root.path)/store\n")
        return process
    }
}
