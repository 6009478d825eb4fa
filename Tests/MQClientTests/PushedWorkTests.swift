import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MQClient

/// What a client does at once of what its brokers ask.
@Suite struct PushedWorkTests {
    /// The client's end: serves what is served, and refuses all else.
    private struct Client: RemotingRequestHandler {
        let work = PushedWork()

        func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
            if !work.handle(request, on: connection, reply: reply) { reply.send(.systemBusy) }
        }
    }

    /// The broker's end: keeps the connection that came.
    private final class Broker: RemotingRequestHandler {
        let connection = Mutex<RemotingConnection?>(nil)

        func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
            reply.send(.success)
        }

        func connectionOpened(_ connection: RemotingConnection) { self.connection.withLock { $0 = connection } }
    }

    private func withConnection(
        _ body: (PushedWork, RemotingConnection) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let (client, broker) = (Client(), Broker())
        let server = RemotingServer(
            configuration: .init(host: "127.0.0.1", port: 0), group: group, logger: quiet, handler: broker)
        let address = try await server.start().hostPort
        let caller = RemotingClient(group: group, logger: quiet, requestHandler: client)
        _ = try await caller.call(.request(.heartbeat), to: address, timeout: .seconds(20))
        let connection = try #require(broker.connection.withLock { $0 })
        do { try await body(client.work, connection) } catch { Issue.record(error) }
        await caller.shutdown()
        await server.shutdown()
    }

    private func question(_ group: String = "G") -> RemotingCommand {
        var request = RemotingCommand.request(.getConsumerRunningInfo)
        request.extFields = ["consumerGroup": group]
        return request
    }

    @Test func moreThanTheLimitIsRefused() async throws {
        try await withConnection { (work: PushedWork, connection: RemotingConnection) async throws in
            let isOpen = Mutex(false)
            let token = work.serve(.getConsumerRunningInfo, of: "G") { request, _ in
                while !isOpen.withLock({ $0 }) { try? await Task.sleep(for: .milliseconds(10)) }
                return request.response()
            }
            let asked = (0..<PushedWork.limit).map { _ in connection.call(question(), timeout: .seconds(60)) }
            // They were sent in order: this one comes when all places are taken.
            let refused = try await connection.call(question(), timeout: .seconds(20)).get()
            #expect(refused.responseCode == .systemBusy)
            isOpen.withLock { $0 = true }
            for answer in asked { #expect(try await answer.get().responseCode == .success) }
            // Places that are free again are given again.
            #expect(try await connection.call(question(), timeout: .seconds(20)).get().responseCode == .success)
            work.stop([token])
            #expect(try await connection.call(question(), timeout: .seconds(20)).get().responseCode == .systemBusy)
        }
    }

    /// Each group's questions go to the one who serves them; of two, to the last, and to the first again when it is gone.
    @Test func theLastWhoServesAGroupAnswers() async throws {
        try await withConnection { (work: PushedWork, connection: RemotingConnection) async throws in
            func serve(_ name: String) -> PushedWork.Token {
                work.serve(.getConsumerRunningInfo, of: "G") { request, _ in request.response(remark: name) }
            }
            func whoAnswers(_ group: String = "G") async throws -> String? {
                try await connection.call(question(group), timeout: .seconds(20)).get().remark
            }
            let (first, second) = (serve("first"), serve("second"))
            #expect(try await whoAnswers() == "second")
            #expect(try await whoAnswers("other") == nil)
            work.stop([second])
            #expect(try await whoAnswers() == "first")
            work.stop([first])
            #expect(try await whoAnswers() == nil)
        }
    }
}
