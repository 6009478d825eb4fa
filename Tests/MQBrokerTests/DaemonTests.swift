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
        let place = try DaemonPlace("flushDiskType=SYNC_FLUSH")
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

    /// Systemd starts services with 1,024 files: each connection is one.
    @Test(arguments: ["mqbroker", "mqnamesrv"]) func itOpensAsManyFilesAsItMay(program: String) throws {
        let place = try DaemonPlace()
        let port = try DaemonPlace.freePort()
        let words =
            program == "mqbroker" ? ["-c", place.root.path + "/b.properties"] : ["--port", String(port)]
        let built = try #require(Bundle.main.executableURL).deletingLastPathComponent()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments =
            ["-c", "ulimit -Sn 200 && exec \"$0\" \"$@\"", built.appendingPathComponent(program).path] + words
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        defer {
            process.terminate()
            process.waitUntilExit()
        }
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        #expect(line.contains("listening on"))
        let limits = try String(contentsOfFile: "/proc/\(process.processIdentifier)/limits", encoding: .utf8)
        let files = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max open files") })
        let numbers = files.split(separator: " ").compactMap { Int($0) }
        #expect(numbers.count == 2 && numbers[0] == numbers[1], "\(files)")
    }

    @Test func itStopsCleanlyAndIgnoresAHangUp() throws {
        let place = try DaemonPlace()
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

    @Test(arguments: [
        ("mqbroker", ["--nonsense"], "mqbroker: unknown option '--nonsense'; see 'mqbroker --help'"),
        ("mqbroker", ["-c"], "mqbroker: missing value for '-c <config>'; see 'mqbroker --help'"),
        (
            "mqnamesrv", ["--port", "70000"],
            "mqnamesrv: --port 70000 is no port (expected 0 to 65535); see 'mqnamesrv --help'"
        ),
        ("mqnamesrv", ["extra"], "mqnamesrv: unexpected argument 'extra'; see 'mqnamesrv --help'"),
    ])
    func wrongWordsAreOneLineAndStatus64(_ program: String, _ words: [String], _ line: String) throws {
        let (process, _, errors) = try DaemonPlace().process(program, words)
        let said = try String(decoding: errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(said == line + "\n")
        #expect(process.terminationStatus == 64)
    }

    @Test func withoutANameserverItWarnsInOneLine() throws {
        let place = try DaemonPlace()
        let (process, output, errors) = try place.process(
            "mqbroker", ["-c", place.root.appendingPathComponent("b.properties").path, "--log-level", "error"])
        #expect(!output.fileHandleForReading.availableData.isEmpty)
        process.terminate()
        let said = try String(decoding: errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(said.contains("no nameserver is named") && said.filter { $0 == "\n" }.count == 1, "\(said)")
    }

    @Test func aTakenPortAndABadValueAreOneLineEach() throws {
        let place = try DaemonPlace()
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
            try (text + "bindAddress=127.0.0.1\nlistenPort=\(place.port)\nnamesrvAddr=127.0.0.1:1\n")
                .write(to: file, atomically: true, encoding: .utf8)
            let (process, _, errors) = try place.process("mqbroker", ["-c", file.path, "--log-level", "error"])
            let said = try String(decoding: errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 1)
            #expect(said.contains(expected) && said.filter { $0 == "\n" }.count == 1, "\(said)")
        }
    }
}
