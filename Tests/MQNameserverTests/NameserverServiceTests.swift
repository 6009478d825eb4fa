import Logging
import MQNameserver
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Testing

@Suite struct NameserverServiceTests {
    private let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    private func registration(_ name: String) -> RemotingCommand {
        .request(
            .registerBroker,
            RegisterBrokerRequestHeader(
                brokerName: name, brokerAddress: "\(name):10911", clusterName: "c", haServerAddress: nil, brokerID: 0),
            body: RegisterBrokerBody(
                table: TopicConfigTable(topics: ["t": TopicConfig(name: "t")], dataVersion: DataVersion(counter: 1))
            ).encoded())
    }

    /// Runs `body` with a nameserver on a port of the system's choice.
    private func withNameserver(
        _ configuration: NameserverConfiguration, _ body: (NameserverService, String) async throws -> Void
    ) async throws {
        let service = NameserverService(
            configuration: configuration, group: MultiThreadedEventLoopGroup.singleton, logger: quiet)
        let address = try await service.start().hostPort
        try await body(service, address)
        await service.shutdown()
    }

    private func client() -> RemotingClient {
        RemotingClient(group: MultiThreadedEventLoopGroup.singleton, logger: quiet)
    }

    /// Waits until the condition holds; the deadline only bounds a failure.
    private func eventually(_ condition: () -> Bool) async -> Bool {
        let deadline = ContinuousClock.now.advanced(by: .seconds(10))
        while !condition() {
            guard ContinuousClock.now < deadline else { return false }
            try? await Task.sleep(for: .milliseconds(1))
        }
        return true
    }

    @Test func brokersComeAndGoWithTheirConnections() async throws {
        try await withNameserver(.init(bindAddress: "127.0.0.1", listenPort: 0)) { service, address in
            let (a, b) = (client(), client())
            for (broker, name) in [(a, "a"), (b, "b")] {
                let answer = try await broker.call(registration(name), to: address, timeout: .seconds(10))
                #expect(answer.responseCode == .success)
            }
            let route = try await b.call(
                .request(.getRouteByTopic, TopicRequestHeader(topic: "t")), to: address, timeout: .seconds(10))
            #expect(try TopicRouteData(decoding: route.body).brokerDatas.map(\.brokerName) == ["a", "b"])
            await a.shutdown()
            #expect(await eventually { service.clusterInfo.brokers.keys.sorted() == ["b"] })
            await b.shutdown()
        }
    }

    @Test func silentBrokersAreDroppedAndTheirConnectionsClosed() async throws {
        let configuration = NameserverConfiguration(
            bindAddress: "127.0.0.1", listenPort: 0, scanInterval: .milliseconds(5), brokerExpiry: .milliseconds(20))
        try await withNameserver(configuration) { service, address in
            let broker = client()
            let connection = try await broker.connection(to: address).get()
            _ = try await connection.call(registration("a"), timeout: .seconds(10)).get()
            #expect(await eventually { service.clusterInfo.brokers.isEmpty })
            #expect(await eventually { !connection.isOpen })
            await broker.shutdown()
        }
    }

    /// Apache's nameserver and ours know and refuse the same requests.
    @Test func everyRequestOfTheListIsAnsweredAndNoOther() async throws {
        let answered: Set<Int32> = [
            100, 101, 102, 103, 104, 105, 106, 205, 206, 216, 219, 224, 304, 311, 312, 313, 318, 319, 322, 327,
        ]
        try await withNameserver(.init(bindAddress: "127.0.0.1", listenPort: 0)) { _, address in
            let caller = client()
            for code in Array<Int32>(0...330) + [-1, 9999, .max] {
                let request = RemotingCommand(code: code, language: .java)
                let answer = try await caller.call(request, to: address, timeout: .seconds(10))
                #expect((answer.responseCode != .requestCodeNotSupported) == answered.contains(code), "\(code)")
                #expect(answered.contains(code) || answer.remark?.contains("not supported") == true)
            }
            await caller.shutdown()
        }
    }

    /// Reading a table of megabytes, and listing the topics of hundreds of them, are no reason for others to wait.
    @Test func largeTablesHoldUpNobodysRoutes() async throws {
        try await withNameserver(.init(bindAddress: "127.0.0.1", listenPort: 0)) { _, address in
            let topics = (0..<15_000).map { ("topic-\($0)", TopicConfig(name: "topic-\($0)")) }
            var request = registration("a")
            request.body = RegisterBrokerBody(
                table: TopicConfigTable(topics: Dictionary(uniqueKeysWithValues: topics))
            ).encoded()
            let (broker, asker) = (client(), client())
            _ = try await asker.call(registration("b"), to: address, timeout: .seconds(20))
            async let registered = broker.call(request, to: address, timeout: .seconds(60))
            // The asker's turns come while the table is read: this is what a client does every 30 s.
            var longest = Duration.zero
            for _ in 0..<50 {
                let start = ContinuousClock.now
                let route = try await asker.call(
                    .request(.getRouteByTopic, TopicRequestHeader(topic: "t")), to: address, timeout: .seconds(60))
                #expect(route.responseCode == .success)
                longest = max(longest, .now - start)
            }
            #expect(try await registered.responseCode == .success)
            let list = try await broker.call(
                .request(.getAllTopicsFromNameserver), to: address, timeout: .seconds(60))
            #expect(try TopicList(decoding: list.body).topics.count == 15_001)
            #expect(longest < .seconds(1), "\(longest)")
            await broker.shutdown()
            await asker.shutdown()
        }
    }

    @Test func aSecondOneOnTheSamePortSaysSo() async throws {
        try await withNameserver(.init(bindAddress: "127.0.0.1", listenPort: 0)) { _, address in
            let second = NameserverService(
                configuration: .init(bindAddress: "127.0.0.1", listenPort: try HostPort(address).port),
                group: MultiThreadedEventLoopGroup.singleton, logger: quiet)
            let error = await #expect(throws: TransportError.self) { try await second.start() }
            #expect(error?.description.contains("is taken") == true)
        }
    }
}
