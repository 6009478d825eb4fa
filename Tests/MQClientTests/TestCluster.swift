import Foundation
import Logging
import MQBroker
import MQClient
import MQNameserver
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import SystemPackage
import Testing

let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

/// A nameserver of ours on a port of the system's choice, and whatever registers with it.
struct TestNameserver {
    let service: NameserverService
    let address: String

    static func start() async throws -> TestNameserver {
        let service = NameserverService(
            configuration: .init(bindAddress: "127.0.0.1", listenPort: 0),
            group: MultiThreadedEventLoopGroup.singleton, logger: quiet)
        return TestNameserver(service: service, address: try await service.start().hostPort)
    }

    /// Registers a broker that may not even exist; the connection must stay open for as long as it shall be known.
    func register(
        _ name: String, id: Int64 = 0, address brokerAddress: String, topics: [String], by client: RemotingClient
    ) async throws {
        let configs = topics.map { ($0, TopicConfig(name: $0, readQueueNums: 1, writeQueueNums: 1)) }
        let table = TopicConfigTable(
            topics: Dictionary(uniqueKeysWithValues: configs), dataVersion: DataVersion(counter: 1))
        let header = RegisterBrokerRequestHeader(
            brokerName: name, brokerAddress: brokerAddress, clusterName: "c", haServerAddress: nil, brokerID: id)
        _ = try await client.call(
            .request(.registerBroker, header, body: RegisterBrokerBody(table: table).encoded()), to: address,
            timeout: .seconds(10))
    }
}

/// A real broker with a store of its own in a temporary folder.
struct TestBroker {
    let service: BrokerService
    let address: String
    let folder: FilePath

    static func start(
        nameserver: String, name: String = "broker-a", _ configure: (inout BrokerConfiguration) -> Void = { _ in }
    ) async throws -> TestBroker {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("mqclient-\(UUID().uuidString)").path
        var configuration = BrokerConfiguration()
        configuration.brokerName = name
        configuration.listenPort = 0
        configuration.bindAddress = "127.0.0.1"
        configuration.nameservers = [nameserver]
        configuration.storeRoot = FilePath(path)
        configuration.segmentBytes = 1 << 20
        // On a busy machine the writer may get its turn late.
        configuration.sendWait = .seconds(60)
        configure(&configuration)
        let service = BrokerService(
            configuration: configuration, group: MultiThreadedEventLoopGroup.singleton, logger: quiet)
        return TestBroker(
            service: service, address: try await service.start().hostPort, folder: FilePath(path))
    }

    func stop() async {
        await service.shutdown()
        try? FileManager.default.removeItem(atPath: folder.string)
    }
}

/// A nameserver, a broker that it knows, and a client of both.
struct SmallCluster {
    let nameserver: TestNameserver
    let broker: TestBroker
    let client: MQConnection
    let admin: MQAdmin

    /// Runs `body` with a cluster of its own, and takes it down whatever comes of it.
    ///
    /// - Parameter topic: made by hand before, if it is named, with four queues.
    static func run(
        topic: String? = nil, _ configure: (inout BrokerConfiguration) -> Void = { _ in },
        _ body: (SmallCluster) async throws -> Void
    ) async throws {
        let nameserver = try await TestNameserver.start()
        let broker = try await TestBroker.start(nameserver: nameserver.address, configure)
        let client = MQConnection(
            configuration: .init(nameservers: [nameserver.address], requestTimeout: .seconds(10)))
        let cluster = SmallCluster(
            nameserver: nameserver, broker: broker, client: client, admin: MQAdmin(client: client))
        do {
            #expect(try await eventually { try await cluster.admin.clusterInfo().brokers["broker-a"] != nil })
            if let topic {
                _ = try await cluster.admin.createTopic(
                    topic, readQueues: 4, writeQueues: 4, inCluster: "DefaultCluster")
                #expect(try await eventually { try await cluster.admin.topicNames().contains(topic) })
            }
            try await body(cluster)
        } catch {
            Issue.record(error)
        }
        await client.shutdown()
        await broker.stop()
        await nameserver.service.shutdown()
    }

    /// Asks the broker something, as a tool does, and gives its answer.
    func ask(_ code: RequestCode, _ fields: ExtFields, by caller: RemotingClient) async throws -> RemotingCommand {
        var request = RemotingCommand.request(code)
        request.extFields = fields
        return try await caller.call(request, to: broker.address, timeout: .seconds(10))
    }
}

/// Waits until the condition holds; the deadline only bounds a failure.
func eventually(
    within limit: Duration = .seconds(15), _ condition: () async throws -> Bool
) async rethrows -> Bool {
    let deadline = ContinuousClock.now.advanced(by: limit)
    while true {
        if try await condition() { return true }
        guard ContinuousClock.now < deadline else { return false }
        // A poll of real parts; spinning would take the core that they need.
        try? await Task.sleep(for: .milliseconds(5))
    }
}

func temporaryFolder() throws -> String {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mqclient-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder.path
}

func removeFolder(_ path: String) { try? FileManager.default.removeItem(atPath: path) }
