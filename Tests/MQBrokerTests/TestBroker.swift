import Foundation
import Logging
import MQNameserver
import MQStore
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization
import SystemPackage
import Testing

@testable import MQBroker

/// A nameserver and a broker on ports of the system's choice, with a store of their own.
final class TestBroker: Sendable {
    let nameserver: NameserverService
    let broker: BrokerService
    let nameserverAddress: String
    let address: String
    let root: FilePath
    let client: RemotingClient
    /// Requests that the broker pushed to the client.
    let pushed: Pushed

    static let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    private init(
        nameserver: NameserverService, nameserverAddress: String, broker: BrokerService, address: String,
        root: FilePath
    ) {
        self.nameserver = nameserver
        self.nameserverAddress = nameserverAddress
        self.broker = broker
        self.address = address
        self.root = root
        pushed = Pushed()
        client = RemotingClient(
            group: MultiThreadedEventLoopGroup.singleton, logger: Self.quiet, requestHandler: pushed)
    }

    /// Runs `body` with a broker; `configure` changes its settings before it starts.
    static func run(
        _ configure: (inout BrokerConfiguration) -> Void = { _ in }, storage: any StorageIO = SystemStorage(),
        logger: Logger = quiet, _ body: (TestBroker) async throws -> Void
    ) async throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("broker-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: root) }
        let group = MultiThreadedEventLoopGroup.singleton
        let nameserver = NameserverService(
            configuration: .init(bindAddress: "127.0.0.1", listenPort: 0), group: group, logger: quiet)
        let nameserverAddress = try await nameserver.start().hostPort
        var configuration = BrokerConfiguration()
        configuration.bindAddress = "127.0.0.1"
        configuration.listenPort = 0
        configuration.storeRoot = FilePath(root.path)
        configuration.segmentBytes = 1 << 20
        configuration.nameservers = [nameserverAddress]
        // On a busy machine the writer may get its turn late; tests of lateness set it anew.
        configuration.sendWait = .seconds(60)
        configure(&configuration)
        let broker = BrokerService(configuration: configuration, group: group, logger: logger, storage: storage)
        let address = try await broker.start().hostPort
        let test = TestBroker(
            nameserver: nameserver, nameserverAddress: nameserverAddress, broker: broker, address: address,
            root: FilePath(root.path))
        do { try await body(test) } catch { Issue.record(error) }
        await test.client.shutdown()
        await broker.shutdown()
        await nameserver.shutdown()
    }

    func call(_ request: RemotingCommand) async throws -> RemotingCommand {
        try await client.call(request, to: address, timeout: .seconds(20))
    }

    func send(
        _ topic: String, _ queueID: Int32 = 0, body: String = "m", properties: MessageProperties = [:],
        reconsumeTimes: Int32 = 0
    ) async throws -> RemotingCommand {
        let header = SendMessageRequestHeader(
            producerGroup: "PG", topic: topic, defaultTopic: "TBW102", defaultTopicQueueNums: 4, queueID: queueID,
            sysFlag: 0, bornTimestamp: 1, flag: 0, properties: properties.text, reconsumeTimes: reconsumeTimes)
        return try await call(.request(.sendMessage, header, body: ByteBuffer(string: body)))
    }

    func pull(
        _ topic: String, _ queueID: Int32 = 0, from offset: Int64, holdMilliseconds: Int64 = 0,
        subscription: String = "*", group: String = "G"
    ) async throws -> RemotingCommand {
        let flags =
            PullMessageRequestHeader.subscriptionFlag
            | (holdMilliseconds > 0 ? PullMessageRequestHeader.suspendFlag : 0)
        let header = PullMessageRequestHeader(
            consumerGroup: group, topic: topic, queueID: queueID, queueOffset: offset, maxMessages: 32, sysFlag: flags,
            commitOffset: 0, suspendTimeoutMilliseconds: holdMilliseconds, subscription: subscription,
            subscriptionVersion: 0)
        return try await call(.request(.pullMessage, header))
    }

    func bodies(_ answer: RemotingCommand) throws -> [String] {
        try #require(StoredRecord.readAll(answer.body ?? ByteBuffer())).map { String(buffer: $0.body) }
    }

    func heartbeat(_ clientID: String, group: String, topic: String, through client: RemotingClient? = nil) async throws
    {
        let data = HeartbeatData(
            clientID: clientID,
            consumers: [ConsumerData(groupName: group, subscriptions: [SubscriptionData(topic: topic)])])
        let answer = try await (client ?? self.client).call(
            .request(.heartbeat, body: data.encoded()), to: address, timeout: .seconds(20))
        #expect(answer.responseCode == .success)
    }
}

/// Keeps what a broker pushes to its client.
final class Pushed: RemotingRequestHandler {
    private let stored = Mutex<[RemotingCommand]>([])

    var requests: [RemotingCommand] { stored.withLock { $0 } }

    func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
        stored.withLock { $0.append(request) }
        reply.send(.success)
    }
}

/// Waits until the condition holds; the deadline only bounds a failure.
func eventually(_ condition: () async throws -> Bool) async rethrows -> Bool {
    let deadline = ContinuousClock.now.advanced(by: .seconds(15))
    while try await !condition() {
        guard ContinuousClock.now < deadline else { return false }
        try? await Task.sleep(for: .milliseconds(10))
    }
    return true
}
