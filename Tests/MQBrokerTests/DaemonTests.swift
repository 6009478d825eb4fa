import Foundation
import Glibc
import MQStore
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import SystemPackage
import Testing

/// The real `mqbroker`, as a process of its own.
@Suite(.serialized) struct DaemonTests {
    /// A directory with a configuration and a store.
    private final class Place {
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
            \(extra)
            """.write(to: root.appendingPathComponent("b.properties"), atomically: true, encoding: .utf8)
        }

        deinit { try? FileManager.default.removeItem(at: root) }

        /// A port that was free a moment ago; the daemon says so if it is not any more.
        private static func freePort() throws -> Int {
            let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(listener) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let port = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(listener, $0, size) == 0 && getsockname(listener, $0, &size) == 0
                }
            }
            try #require(port)
            return Int(UInt16(bigEndian: address.sin_port))
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
            #expect(line == "mqbroker broker-d listening on 127.0.0.1:\(port)\n")
            return process
        }
    }

    private func send(_ body: String, to port: Int, through client: RemotingClient) async throws -> ResponseCode {
        let header = SendMessageRequestHeader(
            producerGroup: "PG", topic: "T", defaultTopic: "TBW102", defaultTopicQueueNums: 4, queueID: 0, sysFlag: 0,
            bornTimestamp: 1, flag: 0, properties: "UNIQ_KEY\u{1}\(body)", reconsumeTimes: 0)
        return try await client.call(
            .request(.sendMessage, header, body: ByteBuffer(string: body)), to: "127.0.0.1:\(port)",
            timeout: .seconds(20)
        ).responseCode
    }

    @Test func whatWasAnsweredSurvivesAKill() async throws {
        let place = try Place("flushDiskType=SYNC_FLUSH")
        let client = RemotingClient(group: MultiThreadedEventLoopGroup.singleton, logger: TestBroker.quiet)
        var sent: [String] = []
        for round in 0..<3 {
            let process = try place.broker()
            for index in 0..<20 {
                let body = "\(round)-\(index)"
                #expect(try await send(body, to: place.port, through: client) == .success)
                sent.append(body)
            }
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            // The client learns of the broken connection on its own loop.
            client.disconnect(from: "127.0.0.1:\(place.port)")
        }
        let (scan, output, _) = try place.process(
            "mqadmin", ["scanStore", "--store", place.root.path + "/store", "--topic", "T", "--json"])
        let lines = try #require(try output.fileHandleForReading.readToEnd()).split(separator: UInt8(ascii: "\n"))
        scan.waitUntilExit()
        let records = try lines.map { try JSONValue(parsing: String(decoding: $0, as: UTF8.self)) }
        #expect(records.dropLast().compactMap { $0["uniqueID"]?.stringValue } == sent)
        #expect(records.dropLast().allSatisfy { $0["crcValid"]?.boolValue == true })
        #expect(records.last?["end"]?["torn"]?.boolValue == false)
        #expect(records.last?["end"]?["records"]?.integerValue == 60)
        await client.shutdown()
    }

    @Test func itStopsCleanlyAndIgnoresAHangUp() throws {
        let place = try Place()
        let process = try place.broker()
        kill(process.processIdentifier, SIGHUP)
        usleep(100_000)
        #expect(process.isRunning)
        let start = ContinuousClock.now
        process.terminate()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0 && ContinuousClock.now - start < .milliseconds(1500))
        #expect(!FileManager.default.fileExists(atPath: place.root.path + "/store/abort"))
    }

    @Test func aTakenPortAndABadValueAreOneLineEach() throws {
        let place = try Place()
        let first = try place.broker()
        defer {
            first.terminate()
            first.waitUntilExit()
        }
        let table = [
            ("storePathRootDir=\(place.root.path)/other\n", "port \(place.port) is taken"),
            ("flushDiskType=NEVER\n", ":1: flushDiskType: 'NEVER' is not accepted (accepted: SYNC_FLUSH, ASYNC_FLUSH)"),
        ]
        for (text, expected) in table {
            let file = place.root.appendingPathComponent("c.properties")
            try (text + "bindAddress=127.0.0.1\nlistenPort=\(place.port)\n")
                .write(to: file, atomically: true, encoding: .utf8)
            let (process, _, errors) = try place.process("mqbroker", ["-c", file.path, "--log-level", "error"])
            let said = try String(decoding: errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 1)
            #expect(said.contains(expected) && said.filter { $0 == "\n" }.count == 1, "\(said)")
        }
    }
}
