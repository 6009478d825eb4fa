import MQWire
import NIOCore
import NIOPosix
import Testing

@testable import MQTransport

@Suite struct ByteBudgetTests {
    private let group = MultiThreadedEventLoopGroup.singleton

    private func server(
        _ budget: ByteBudget, limits: ConnectionLimits = ConnectionLimits(), script: @escaping ScriptedServer.Script
    ) async throws -> (RemotingServer, String) {
        let server = RemotingServer(
            configuration: .init(host: "127.0.0.1", port: 0, limits: limits, budget: budget), group: group,
            logger: quiet, handler: ScriptedServer(script))
        return (server, try await server.start().hostPort)
    }

    /// Connects and writes the first `bytes` of a frame that announces `length`.
    private func halfFrame(_ bytes: Int, of length: Int, to address: String) async throws -> any Channel {
        let target = try HostPort(address)
        let channel = try await ClientBootstrap(group: group).connect(host: target.host, port: target.port).get()
        var buffer = ByteBuffer()
        buffer.writeInteger(Int32(length))
        buffer.writeRepeatingByte(0, count: bytes - 4)
        // Never completed while the server does not read: nobody waits for it.
        channel.writeAndFlush(buffer, promise: nil)
        return channel
    }

    private func eventually(_ condition: () -> Bool) async -> Bool {
        let deadline = ContinuousClock.now.advanced(by: .seconds(20))
        while !condition() {
            guard ContinuousClock.now < deadline else { return false }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return true
    }

    @Test(arguments: [
        (0, 10, true), (10, 10, true), (11, 10, false), (100, 1, true), (101, 1, false), (1, 1000, false),
    ])
    func theFairShareIsTheBudgetDividedByTheConnections(_ own: Int, _ connections: Int, _ isFair: Bool) {
        #expect(ByteBudget.isFairShare(ownBytes: own, limitBytes: 100, connections: connections) == isFair)
    }

    @Test func halfFramesOfManyConnectionsStayWithinTheBudgetAndTimeOut() async throws {
        let budget = ByteBudget(limitBytes: 4 << 20)
        let (server, address) = try await server(
            budget, limits: ConnectionLimits(frameTimeout: .seconds(3), closesSilentConnections: false)
        ) { _, _, reply in reply.send(.success) }
        var hostile: [any Channel] = []
        for _ in 0..<20 { hostile.append(try await halfFrame(8 << 20, of: 16 << 20, to: address)) }
        #expect(await eventually { budget.heldBytes >= budget.limitBytes })
        // Small requests of others pass all the while, and what is held stays bounded.
        let client = RemotingClient(group: group, logger: quiet)
        for _ in 0..<50 {
            let answer = try await client.call(.request(.heartbeat), to: address, timeout: .seconds(10))
            #expect(answer.responseCode == .success)
            #expect(budget.heldBytes <= 2 * budget.limitBytes + (16 << 20), "\(budget.heldBytes) bytes are held")
        }
        // Nobody finishes a frame, so all are closed, and everything is given back.
        #expect(await eventually { server.connections.count == 1 && budget.heldBytes == 0 }, "\(budget.heldBytes)")
        await client.shutdown()
        await server.shutdown()
        for channel in hostile { try? await channel.close() }
    }

    @Test func largeRequestsPassOneByOneWhenTheBudgetIsSmall() async throws {
        let budget = ByteBudget(limitBytes: 1 << 20)
        let (server, address) = try await server(budget) { request, _, reply in
            reply.send(request.response(remark: "\(request.body?.readableBytes ?? 0)"))
        }
        let clients = (0..<8).map { _ in RemotingClient(group: group, logger: quiet) }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for client in clients {
                tasks.addTask {
                    for _ in 0..<3 {
                        let body = ByteBuffer(repeating: 1, count: 3 << 20)
                        let answer = try await client.call(
                            .request(.sendMessage, body: body), to: address, timeout: .seconds(60))
                        #expect(answer.remark == "\(3 << 20)")
                    }
                }
            }
            try await tasks.waitForAll()
        }
        for client in clients { await client.shutdown() }
        #expect(await eventually { budget.heldBytes == 0 }, "\(budget.heldBytes) bytes are left")
        await server.shutdown()
    }

    @Test func unansweredRequestsAreHeldUntilTheirAnswer() async throws {
        let budget = ByteBudget(limitBytes: 4 << 20)
        let held = HeldReplies()
        let (server, address) = try await server(budget) { _, _, reply in held.hold(reply) }
        let client = RemotingClient(group: group, logger: quiet)
        async let answer = client.call(
            .request(.sendMessage, body: ByteBuffer(repeating: 1, count: 100_000)), to: address, timeout: .seconds(20))
        #expect(await eventually { held.count == 1 })
        #expect((100_000..<101_000).contains(budget.heldBytes))
        for reply in held.takeAll() { reply.send(.success) }
        _ = try await answer
        #expect(await eventually { budget.heldBytes == 0 })
        await client.shutdown()
        await server.shutdown()
    }

    @Test func aServerThatStopsAnswersWhatItTookIn() async throws {
        let held = HeldReplies()
        let (server, address) = try await server(ByteBudget()) { _, _, reply in held.hold(reply) }
        let client = RemotingClient(group: group, logger: quiet)
        let calls = (0..<20).map { _ in
            Task { try await client.call(.request(.sendMessage), to: address, timeout: .seconds(60)) }
        }
        #expect(await eventually { held.count == 20 })
        async let stopped: Void = server.shutdown(patience: .seconds(45))
        try await Task.sleep(for: .milliseconds(50))
        for reply in held.takeAll() { reply.send(.success, remark: "late") }
        for call in calls { #expect(try await call.value.remark == "late") }
        await stopped
        await client.shutdown()
    }
}
