import MQBroker
import MQNameserver
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// What a broker tells a nameserver at each heartbeat.
@Suite struct RegistrationTests {
    /// A nameserver's end of the wire that keeps what was asked and forgets brokers when told to.
    private final class Nameserver: RemotingRequestHandler {
        private struct Heard: Sendable {
            var codes: [RequestCode] = []
            var version: DataVersion?
        }

        private let heard = Mutex(Heard())

        var codes: [RequestCode] { heard.withLock { $0.codes } }

        func forget() {
            heard.withLock { $0 = Heard() }
        }

        func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
            let known = heard.withLock { heard in
                heard.codes.append(request.requestCode)
                defer {
                    if request.requestCode == .registerBroker {
                        heard.version = (try? RegisterBrokerBody(decoding: request.body))?.table.dataVersion
                    }
                }
                return heard.version
            }
            guard request.requestCode == .queryDataVersion else { return reply.send(.success) }
            let asked = try? DataVersion(decoding: request.body)
            reply.send(request.response(.success, QueryDataVersionResponseHeader(changed: known != asked)))
        }
    }

    /// Runs `body` with a broker that registers each 20 ms with a nameserver that listens in.
    private static func run(
        forcing: Bool, _ body: (TestBroker, Nameserver) async throws -> Void
    ) async throws {
        let nameserver = Nameserver()
        let server = RemotingServer(
            configuration: .init(host: "127.0.0.1", port: 0), group: MultiThreadedEventLoopGroup.singleton,
            logger: TestBroker.quiet, handler: nameserver)
        let address = try await server.start().hostPort
        try await TestBroker.run({
            $0.nameservers = [address]
            $0.registrationPeriod = .milliseconds(20)
            $0.forcesRegistration = forcing
        }) { try await body($0, nameserver) }
        await server.shutdown()
    }

    @Test func anUnchangedTableIsAskedAfterAndNotSentAgain() async throws {
        try await Self.run(forcing: false) { test, nameserver in
            #expect(await eventually { nameserver.codes.filter { $0 == .queryDataVersion }.count >= 3 })
            // Before that a master asks whether a slave has more than it.
            #expect(nameserver.codes.first { $0 != .getBrokerClusterInfo } == .registerBroker)
            #expect(nameserver.codes.filter { $0 == .registerBroker }.count == 1)
            // A new topic is another version, and is told without a question.
            _ = try await test.send("T")
            #expect(await eventually { nameserver.codes.filter { $0 == .registerBroker }.count == 2 })
            // A nameserver that was started anew knows nothing, says so, and is told.
            nameserver.forget()
            #expect(await eventually { nameserver.codes.contains(.registerBroker) })
            #expect(nameserver.codes.first == .queryDataVersion)
        }
    }

    /// A nameserver that was started anew is told at once, and not at the next period; so is one that starts after its
    /// broker.
    @Test func aNameserverThatComesBackIsToldAtOnce() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        func nameserver(port: Int) -> (NameserverService) {
            NameserverService(
                configuration: .init(bindAddress: "127.0.0.1", listenPort: port), group: group, logger: TestBroker.quiet
            )
        }
        let first = nameserver(port: 0)
        let address = try await first.start()
        let port = try #require(address.port)
        let hostPort = address.hostPort
        await first.shutdown()
        try await TestBroker.run({
            $0.nameservers = [hostPort]
            $0.registrationPeriod = .seconds(600)
        }) { test in
            for _ in 0..<2 {
                let again = nameserver(port: port)
                try await again.start()
                #expect(await eventually { again.clusterInfo.brokers["broker-a"] != nil })
                await again.shutdown()
            }
        }
    }

    @Test func aForcedOneIsSentAtEachHeartbeat() async throws {
        try await Self.run(forcing: true) { _, nameserver in
            #expect(await eventually { nameserver.codes.filter { $0 == .registerBroker }.count >= 3 })
            #expect(!nameserver.codes.contains(.queryDataVersion))
        }
    }
}
