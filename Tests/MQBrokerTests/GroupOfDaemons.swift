import Foundation
import Glibc
import MQNameserver
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Testing

@testable import MQBroker

/// Real brokers of one name, processes of their own behind a nameserver of the test's; numbered from 1, the first one is the
/// founder.
final class GroupOfDaemons {
    let root: URL
    let nameserver: NameserverService
    let nameserverAddress: String
    let client: RemotingClient
    private var ports: [Int: Int] = [:]
    private var processes: [Int: Process] = [:]

    private init(_ nameserver: NameserverService, at address: String) throws {
        root = FileManager.default.temporaryDirectory.appendingPathComponent("group-\(UUID().uuidString)")
        self.nameserver = nameserver
        nameserverAddress = address
        client = RemotingClient(group: MultiThreadedEventLoopGroup.singleton, logger: TestBroker.quiet)
    }

    /// Runs `body` with brokers that are not started yet; `settings` are added to each one's file.
    static func run(
        of count: Int, _ settings: String, _ body: (GroupOfDaemons) async throws -> Void
    ) async throws {
        let nameserver = NameserverService(
            configuration: .init(bindAddress: "127.0.0.1", listenPort: 0), group: MultiThreadedEventLoopGroup.singleton,
            logger: TestBroker.quiet)
        let group = try GroupOfDaemons(nameserver, at: await nameserver.start().hostPort)
        for number in 1...count { try group.configure(number, settings) }
        do { try await body(group) } catch { Issue.record(error) }
        for number in 1...count { group.end(number, SIGKILL) }
        await group.client.shutdown()
        await nameserver.shutdown()
        try? FileManager.default.removeItem(at: group.root)
    }

    private func configure(_ number: Int, _ settings: String) throws {
        let port = try DaemonPlace.freePort()
        ports[number] = port
        try FileManager.default.createDirectory(at: folder(number), withIntermediateDirectories: true)
        try """
        brokerName=g
        brokerId=\(number)
        brokerRole=\(number == 1 ? "SYNC_MASTER" : "SLAVE")
        roleWhenMaster=SYNC_MASTER
        bindAddress=127.0.0.1
        brokerIP1=127.0.0.1
        listenPort=\(port)
        namesrvAddr=\(nameserverAddress)
        storePathRootDir=\(folder(number).path)/store
        mappedFileSizeCommitLog=1048576
        waitTimeMillsInSendQueue=60000
        registerNameServerPeriod=500
        slaveSyncPeriod=200
        masterCheckPeriod=100
        groupRetryTimeMills=300
        haSendHeartbeatInterval=200
        haHousekeepingInterval=2000
        \(settings)
        """.write(to: folder(number).appendingPathComponent("b.properties"), atomically: true, encoding: .utf8)
    }

    func folder(_ number: Int) -> URL { root.appendingPathComponent("b\(number)") }
    func address(_ number: Int) -> String { "127.0.0.1:\(ports[number] ?? 0)" }

    /// Starts a broker and waits until it listens.
    func start(_ number: Int) throws {
        let built = try #require(Bundle.main.executableURL).deletingLastPathComponent()
        let process = Process()
        process.executableURL = built.appendingPathComponent("mqbroker")
        process.arguments = ["-c", folder(number).appendingPathComponent("b.properties").path]
        let output = Pipe()
        process.standardOutput = output
        let log = folder(number).appendingPathComponent("log")
        if !FileManager.default.fileExists(atPath: log.path) { try Data().write(to: log) }
        let errors = try FileHandle(forWritingTo: log)
        try errors.seekToEnd()
        process.standardError = errors
        try process.run()
        processes[number] = process
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        #expect(line.contains("listening on"), "\(line)")
    }

    /// Sends a signal, and waits for the end where it is one.
    func end(_ number: Int, _ signal: Int32) {
        guard let process = processes[number] else { return }
        kill(process.processIdentifier, signal)
        // One that is stopped ends as well.
        kill(process.processIdentifier, SIGCONT)
        process.waitUntilExit()
        processes[number] = nil
    }

    /// Sends a signal.
    func signal(_ number: Int, _ signal: Int32) {
        if let process = processes[number] { kill(process.processIdentifier, signal) }
    }

    /// What the broker logged.
    func log(_ number: Int) -> String {
        (try? String(contentsOf: folder(number).appendingPathComponent("log"), encoding: .utf8)) ?? ""
    }

    // MARK: asking

    func runtime(_ number: Int) async -> [String: String] {
        let request = RemotingCommand(code: RequestCode.getBrokerRuntimeInfo.rawValue)
        guard let answer = try? await client.call(request, to: address(number), timeout: .seconds(2)),
            let table = try? JSONValue(parsing: answer.body ?? ByteBuffer())["table"]?.objectValue
        else { return [:] }
        return Dictionary(table.map { ($0.key, $0.value.stringValue ?? "") }, uniquingKeysWith: { $1 })
    }

    /// The group as the nameserver has it, by the numbers of the file.
    func listed() async -> [Int64: Int] {
        let request = RemotingCommand(code: RequestCode.getBrokerClusterInfo.rawValue)
        guard let answer = try? await client.call(request, to: nameserverAddress, timeout: .seconds(2)),
            let info = try? ClusterInfo(decoding: answer.body)
        else { return [:] }
        let numbers = Dictionary(uniqueKeysWithValues: ports.map { ("127.0.0.1:\($0.value)", $0.key) })
        return (info.brokers["g"]?.addresses ?? [:]).compactMapValues { numbers[$0] }
    }

    /// Sends a message; the answer's code and remark, `nil` without one.
    static func send(
        _ body: String, at address: String, through client: RemotingClient, timeout: Duration = .seconds(5)
    ) async -> (ResponseCode, String)? {
        let header = SendMessageRequestHeader(
            producerGroup: "PG", topic: "T", defaultTopic: "TBW102", defaultTopicQueueNums: 1, queueID: 0, sysFlag: 0,
            bornTimestamp: 1, flag: 0, properties: "", reconsumeTimes: 0)
        let request = RemotingCommand.request(.sendMessage, header, body: ByteBuffer(string: body))
        guard let answer = try? await client.call(request, to: address, timeout: timeout) else { return nil }
        return (answer.responseCode, answer.remark ?? "")
    }

    func send(_ body: String, to number: Int) async -> (ResponseCode, String)? {
        await Self.send(body, at: address(number), through: client)
    }

    /// Sends until it is acknowledged; whether that came about. Each attempt is a message of its own.
    func isAcknowledged(_ body: String, by number: Int) async -> Bool {
        await eventually { await send(body, to: number)?.0 == .success }
    }

    /// All that a broker gives of the queue.
    func bodies(_ number: Int) async -> [String] {
        var all: [String] = []
        while true {
            let header = PullMessageRequestHeader(
                consumerGroup: "G", topic: "T", queueID: 0, queueOffset: Int64(all.count), maxMessages: 32,
                sysFlag: PullMessageRequestHeader.subscriptionFlag, commitOffset: 0, suspendTimeoutMilliseconds: 0,
                subscription: "*", subscriptionVersion: 0)
            guard
                let answer = try? await client.call(
                    .request(.pullMessage, header), to: address(number), timeout: .seconds(5)),
                let records = StoredRecord.readAll(answer.body ?? ByteBuffer()), !records.isEmpty
            else { return all }
            all += records.map { String(buffer: $0.body) }
        }
    }

    /// Whether broker `master` is listed as the master, and `slaves` follow it.
    func isSettled(master: Int, slaves: [Int]) async -> Bool {
        var wanted: [Int64: Int] = [0: master]
        for slave in slaves { wanted[Int64(slave)] = slave }
        return await eventually {
            guard await listed() == wanted else { return false }
            for slave in slaves { if await runtime(slave)["followsMaster"] != "true" { return false } }
            return true
        }
    }
}
