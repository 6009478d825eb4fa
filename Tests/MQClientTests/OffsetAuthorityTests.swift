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
}
