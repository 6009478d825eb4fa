import Dispatch
import MQWire
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MQTransport

/// A peer that asks for much and takes nothing: it must cost its share, and get everything once it reads.
@Suite struct AnswerGateTests {
    private static let answerBytes = 200_000
    private static let requests = 600
    private let group = MultiThreadedEventLoopGroup.singleton

    private func eventually(_ condition: () -> Bool) async -> Bool {
        let deadline = ContinuousClock.now.advanced(by: .seconds(30))
        while !condition() {
            guard ContinuousClock.now < deadline else { return false }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return true
    }

    /// Counts the bytes that come, and reads only when it may.
    private final class SlowReader: ChannelDuplexHandler, Sendable {
        typealias InboundIn = ByteBuffer
        typealias OutboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        let mayRead = Mutex(false)
        let received = Atomic(0)

        func read(context: ChannelHandlerContext) {
            if mayRead.withLock({ $0 }) { context.read() }
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            received.wrappingAdd(unwrapInboundIn(data).readableBytes, ordering: .relaxed)
        }
    }

    @Test(arguments: [false, true]) func whoDoesNotReadGetsNoMoreAnswersMade(onThreads: Bool) async throws {
        let threads = PoolWorker(threads: 4)
        let made = Atomic(0)
        let madeCount: @Sendable () -> Int = { made.load(ordering: .relaxed) }
        let budget = ByteBudget()
        let server = RemotingServer(
            configuration: .init(host: "127.0.0.1", port: 0, budget: budget), group: group, logger: quiet,
            handler: ScriptedServer { request, _, reply in
                let answer: @Sendable () -> Void = {
                    made.wrappingAdd(1, ordering: .relaxed)
                    reply.send(request.response(.success, body: ByteBuffer(repeating: 1, count: Self.answerBytes)))
                }
                guard onThreads else { return answer() }
                reply.produce(on: threads) { _ in answer() }
            })
        let address = try await server.start()
        let reader = SlowReader()
        let channel = try await ClientBootstrap(group: group)
            .channelInitializer { $0.pipeline.addHandler(reader) }.connect(to: address).get()
        var frames = ByteBuffer()
        for opaque in 0..<Self.requests {
            var request = RemotingCommand.request(.pullMessage)
            request.opaque = Int32(opaque)
            FrameCodec.encode(request, into: &frames)
        }
        try await channel.writeAndFlush(frames)
        #expect(await eventually { madeCount() > 0 && budget.heldBytes >= AnswerGate.limitBytes })
        try await Task.sleep(for: .milliseconds(300))
        // What fits the gate, what each thread had begun, and what the kernel's buffers took.
        let bound = (AnswerGate.limitBytes + (16 << 20)) / Self.answerBytes + 4
        #expect(madeCount() < bound, "\(madeCount()) answers were made for a peer that reads none")
        #expect(budget.heldBytes < 8 << 20, "\(budget.heldBytes) bytes are held")
        // Others are served meanwhile.
        let client = RemotingClient(group: group, logger: quiet)
        _ = try await client.call(.request(.heartbeat), to: address.hostPort, timeout: .seconds(10))
        await client.shutdown()

        reader.mayRead.withLock { $0 = true }
        channel.read()
        #expect(
            await eventually { reader.received.load(ordering: .relaxed) > Self.requests * Self.answerBytes },
            "\(reader.received.load(ordering: .relaxed)) bytes came of \(madeCount()) answers")
        #expect(await eventually { budget.heldBytes == 0 }, "\(budget.heldBytes) bytes are left")
        try await channel.close()
        await server.shutdown()
        try await threads.pool.shutdownGracefully()
    }

    /// One worker's threads are stuck: another worker's work for the same connection is done, in its own threads.
    @Test func workersDoNotWaitForEachOther() async throws {
        let (stuck, free) = (PoolWorker(threads: 1), PoolWorker(threads: 1))
        let gate = DispatchSemaphore(value: 0)
        let server = RemotingServer(
            configuration: .init(host: "127.0.0.1", port: 0), group: group, logger: quiet,
            handler: ScriptedServer { request, _, reply in
                let isSlow = request.requestCode == .pullMessage
                reply.produce(on: isSlow ? stuck : free) { _ in
                    if isSlow { gate.wait() }
                    reply.send(request.response(.success))
                }
            })
        let address = try await server.start().hostPort
        let client = RemotingClient(group: group, logger: quiet)
        async let pulls = withThrowingTaskGroup(of: Void.self) { tasks in
            for _ in 0..<6 {
                tasks.addTask { _ = try await client.call(.request(.pullMessage), to: address, timeout: .seconds(30)) }
            }
            try await tasks.waitForAll()
        }
        for _ in 0..<20 { _ = try await client.call(.request(.heartbeat), to: address, timeout: .seconds(20)) }
        for _ in 0..<6 { gate.signal() }
        try await pulls
        await client.shutdown()
        await server.shutdown()
        for worker in [stuck, free] { try await worker.pool.shutdownGracefully() }
    }

    @Test func aPeerThatGoesAwayGivesEverythingBack() async throws {
        let budget = ByteBudget()
        let threads = PoolWorker(threads: 2)
        let server = RemotingServer(
            configuration: .init(host: "127.0.0.1", port: 0, budget: budget), group: group, logger: quiet,
            handler: ScriptedServer { request, _, reply in
                reply.produce(on: threads) { _ in
                    reply.send(request.response(.success, body: ByteBuffer(repeating: 1, count: Self.answerBytes)))
                }
            })
        let address = try await server.start()
        let channel = try await ClientBootstrap(group: group)
            .channelInitializer { $0.pipeline.addHandler(SlowReader()) }.connect(to: address).get()
        var frames = ByteBuffer()
        for opaque in 0..<Self.requests {
            var request = RemotingCommand.request(.pullMessage)
            request.opaque = Int32(opaque)
            FrameCodec.encode(request, into: &frames)
        }
        try await channel.writeAndFlush(frames)
        #expect(await eventually { budget.heldBytes >= AnswerGate.limitBytes })
        try await channel.close()
        #expect(await eventually { budget.heldBytes == 0 }, "\(budget.heldBytes) bytes are left")
        await server.shutdown()
        try await threads.pool.shutdownGracefully()
    }
}

/// Threads that do what comes, whenever it comes.
private final class PoolWorker: BlockingWorker {
    let pool: NIOThreadPool

    init(threads: Int) {
        pool = NIOThreadPool(numberOfThreads: threads)
        pool.start()
    }

    let shareOfConnection = 4

    func begin() -> Int64 { 0 }
    func end(since: Int64) -> WorkTurn { .work }
    func submit(_ run: @escaping @Sendable (_ isActive: Bool) -> Void) { pool.submit { _ in run(true) } }
}
