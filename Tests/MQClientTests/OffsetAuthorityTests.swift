import MQClient
import MQNameserver
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// Who is read from may be a slave; whose word about offsets and retries counts is the master.
@Suite struct OffsetAuthorityTests {
    /// Notes what it is asked, and sends every reader to the slave.
    private final class Noting: RemotingRequestHandler {
        private let codes = Mutex<[RequestCode]>([])

        /// What it was asked beside heartbeats and goodbyes.
        var asked: [RequestCode] {
            codes.withLock { $0.filter { $0 != .heartbeat && $0 != .unregisterClient } }
        }

        func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
            codes.withLock { $0.append(request.requestCode) }
            switch request.requestCode {
            case .pullMessage:
                let header = PullMessageResponseHeader(
                    suggestedBrokerID: 1, nextBeginOffset: 1, minOffset: 0, maxOffset: 3)
                var body = ByteBuffer()
                RecordDraft(
                    topic: "t", queueID: 0, bornTimestamp: 1, bornHost: .loopback, storeHost: .loopback,
                    body: ByteBuffer(string: "m")
                ).encode(into: &body, queueOffset: 0, logOffset: 0, storeTimestamp: 1)
                reply.send(request.response(.success, header, body: body))
            case .queryConsumerOffset, .getMaxOffset, .getMinOffset:
                reply.send(request.response(.success, OffsetResponseHeader(offset: 3)))
            default: reply.send(.success)
            }
        }
    }

    @Test func aSlaveIsReadFromAndToldNothing() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let (master, slave) = (Noting(), Noting())
        let servers = [master, slave].map {
            RemotingServer(configuration: .init(host: "127.0.0.1", port: 0), group: group, logger: quiet, handler: $0)
        }
        let nameserver = try await TestNameserver.start()
        let registrar = RemotingClient(group: group, logger: quiet)
        for (id, server) in servers.enumerated() {
            let address = try await server.start().hostPort
            try await nameserver.register(
                "broker-a", id: Int64(id), address: address, topics: ["t"], by: registrar)
        }
        let client = MQConnection(configuration: .init(nameservers: [nameserver.address]))
        let consumer = PullConsumer(group: "g", client: client)
        let queue = MessageQueue(topic: "t", brokerName: "broker-a", queueID: 0)
        _ = try await consumer.pull(queue, from: 0)
        let message = try #require(try await consumer.pull(queue, from: 0).messages.first)
        #expect(master.asked == [.pullMessage] && slave.asked == [.pullMessage])

        try await consumer.commit(3, for: queue)
        #expect(try await consumer.committedOffset(of: queue) == 3)
        #expect(try await consumer.maxOffset(of: queue) == 3)
        try await consumer.sendBack(message)
        #expect(
            master.asked
                == [
                    .pullMessage, .updateConsumerOffset, .queryConsumerOffset, .getMaxOffset, .consumerSendMessageBack,
                ])
        #expect(slave.asked == [.pullMessage])
        await consumer.shutdown()
        await client.shutdown()
        await registrar.shutdown()
        await nameserver.service.shutdown()
        for server in servers { await server.shutdown() }
    }

    /// A broker with nothing to read, of which one answers no commit.
    private final class Silent: RemotingRequestHandler {
        let answersCommits: Bool
        /// The group's only member.
        let member = Mutex("")
        let commits = Mutex<[Int64]>([])
        private let held = Mutex<[RemotingReply]>([])

        init(answersCommits: Bool) { self.answersCommits = answersCommits }

        func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
            switch request.requestCode {
            case .pullMessage:
                guard request.extFields["queueOffset"] == "0" else { return held.withLock { $0.append(reply) } }
                let header = PullMessageResponseHeader(
                    suggestedBrokerID: 0, nextBeginOffset: 1, minOffset: 0, maxOffset: 1)
                var body = ByteBuffer()
                RecordDraft(
                    topic: "t", queueID: 0, bornTimestamp: 1, bornHost: .loopback, storeHost: .loopback,
                    body: ByteBuffer(string: "m")
                ).encode(into: &body, queueOffset: 0, logOffset: 0, storeTimestamp: 1)
                reply.send(request.response(.success, header, body: body))
            case .queryConsumerOffset: reply.send(request.response(.success, OffsetResponseHeader(offset: 0)))
            case .getConsumerListByGroup:
                let list = ConsumerList(clientIDs: [member.withLock { $0 }])
                reply.send(request.response(.success, body: list.encoded()))
            case .updateConsumerOffset:
                let offset = Int64(request.extFields["commitOffset"] ?? "") ?? -1
                commits.withLock { $0.append(offset) }
                if answersCommits { reply.send(.success) } else { held.withLock { $0.append(reply) } }
            default: reply.send(.success)
            }
        }
    }

    @Test func aBrokerThatAnswersNoCommitHoldsUpNoOthers() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        // Enough silent ones that the other would all but surely come after some of them.
        let silent = (0..<8).map { _ in Silent(answersCommits: false) }
        let answering = Silent(answersCommits: true)
        let servers = (silent + [answering]).map {
            RemotingServer(configuration: .init(host: "127.0.0.1", port: 0), group: group, logger: quiet, handler: $0)
        }
        let nameserver = try await TestNameserver.start()
        let registrar = RemotingClient(group: group, logger: quiet)
        for (index, server) in servers.enumerated() {
            let address = try await server.start().hostPort
            try await nameserver.register(
                "broker-\(index)", id: 0, address: address, topics: ["t"], by: registrar)
        }
        var configuration = MQClientConfiguration(nameservers: [nameserver.address])
        // Longer than the test waits.
        configuration.requestTimeout = .seconds(60)
        let client = MQConnection(configuration: configuration)
        for broker in silent + [answering] { broker.member.withLock { $0 = client.clientID } }
        let consumer = PushConsumer(
            PushConsumerConfiguration(group: "g", startsFrom: .beginning, commitInterval: .milliseconds(50)),
            client: client)
        await consumer.subscribe(to: "t")
        let task = Task { try await consumer.run { _ in .done } }
        #expect(await eventually { answering.commits.withLock { !$0.isEmpty } })
        task.cancel()
        for server in servers { await server.shutdown() }
        _ = try? await task.value
        await client.shutdown()
        await registrar.shutdown()
        await nameserver.service.shutdown()
    }
}
