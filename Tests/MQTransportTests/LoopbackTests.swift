import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// Between two looks at what other threads do. Never `Task.yield`, which can spin for ever in the runtime of Swift 6.3
/// (track record 40).
/// Waits until the condition holds; what never comes ends the test instead of keeping it for ever.
func until(_ condition: () -> Bool) async throws {
    let deadline = ContinuousClock.now.advanced(by: .seconds(30))
    while !condition() {
        try #require(ContinuousClock.now < deadline, "it never came")
        try await pause()
    }
}

func pause() async throws { try await Task.sleep(for: .milliseconds(1)) }

@Suite struct LoopbackTests {
    /// Runs `body` with a server and a client, and ends both.
    private func withPair(
        limits: ConnectionLimits = ConnectionLimits(), connectionLimit: Int = 100,
        pushed: (any RemotingRequestHandler)? = nil, script: @escaping ScriptedServer.Script,
        body: (RemotingClient, String, ScriptedServer) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let handler = ScriptedServer(script)
        let server = RemotingServer(
            configuration: .init(host: "127.0.0.1", port: 0, connectionLimit: connectionLimit, limits: limits),
            group: group, logger: quiet, handler: handler)
        let address = try await server.start().hostPort
        let client = RemotingClient(group: group, logger: quiet, requestHandler: pushed)
        try await body(client, address, handler)
        await client.shutdown()
        await server.shutdown()
        #expect(handler.opened == handler.closed)
    }

    @Test func answersComeToThoseWhoAsked() async throws {
        try await withPair { request, _, reply in
            reply.send(request.response(extFields: ["n": request.extFields["n"] ?? ""], body: request.body))
        } body: { client, address, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        var request = RemotingCommand(code: 10, extFields: ["n": "\(number)"])
                        request.body = ByteBuffer(repeating: UInt8(number % 256), count: number * 100)
                        request.serializeType = number % 2 == 0 ? .json : .rocketmq
                        let answer = try await client.call(request, to: address, timeout: .seconds(10))
                        #expect(answer.extFields["n"] == "\(number)")
                        #expect(answer.serializeType == request.serializeType)
                        #expect(answer.body?.readableBytes ?? 0 == number * 100)
                        #expect(answer.isResponse)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func answersMayComeLaterAndFromAnyThread() async throws {
        let held = HeldReplies()
        try await withPair { request, _, reply in
            guard request.requestCode != .pullMessage else { return held.hold(reply) }
            reply.send(.success)
            // Out of order, on a thread of its own.
            let replies = held.takeAll()
            Task.detached { for reply in replies { reply.send(.pullNotFound, remark: "later") } }
        } body: { client, address, _ in
            async let pull = client.call(.request(.pullMessage), to: address, timeout: .seconds(10))
            try await until { !held.isEmpty }
            _ = try await client.call(.request(.sendMessage), to: address, timeout: .seconds(10))
            let answer = try await pull
            #expect(answer.responseCode == .pullNotFound)
            #expect(answer.remark == "later")
        }
    }

    @Test func nobodyListens_certainlyNotSent() async throws {
        try await withPair { _, _, reply in
            reply.send(.success)
        } body: { client, address, _ in
            let error = await #expect(throws: TransportError.self) {
                try await client.call(.request(.sendMessage), to: "127.0.0.1:1", timeout: .seconds(3))
            }
            #expect(error?.isCertainlyNotSent == true)
            #expect(error?.description.contains("connection refused") == true)
            let bad = await #expect(throws: TransportError.self) {
                try await client.call(.request(.sendMessage), to: "nonsense", timeout: .seconds(3))
            }
            #expect(bad == .invalidAddress("nonsense"))
            _ = try await client.call(.request(.sendMessage), to: address, timeout: .seconds(3))
        }
    }

    @Test func silence_mayHaveHappened() async throws {
        let held = HeldReplies()
        try await withPair { _, _, reply in
            held.hold(reply)
        } body: { client, address, server in
            // Connected before, so that the time is spent on waiting for the answer.
            _ = try await client.connection(to: address).get()
            let error = await #expect(throws: TransportError.self) {
                try await client.call(.request(.sendMessage), to: address, timeout: .milliseconds(200))
            }
            #expect(error == .timedOut(address: address, request: .sendMessage, after: .milliseconds(200)))
            #expect(error?.isCertainlyNotSent == false)
            // Nothing at all came meanwhile, so the next request goes through a new connection, however soon it comes.
            async let next = client.call(.request(.getMaxOffset), to: address, timeout: .seconds(10))
            try await until { held.count >= 2 }
            for reply in held.takeAll() { reply.send(.success, remark: "late") }
            let answer = try await next
            #expect(answer.remark == "late")
            #expect(server.opened == 2)
        }
    }

    @Test func aSlowRequestDoesNotEndAConnectionThatSpeaks() async throws {
        let held = HeldReplies()
        try await withPair { request, _, reply in
            if request.requestCode == .pullMessage { held.hold(reply) } else { reply.send(.success) }
        } body: { client, address, server in
            _ = try await client.call(.request(.getMinOffset), to: address, timeout: .seconds(10))
            let slow = Task {
                // Long enough for the next request's answer to come first, however busy the machine is.
                try await client.call(.request(.pullMessage), to: address, timeout: .seconds(3))
            }
            try await until { !held.isEmpty }
            _ = try await client.call(.request(.getMaxOffset), to: address, timeout: .seconds(10))
            await #expect(throws: TransportError.self) { try await slow.value }
            // The late answer is nobody's and does no harm.
            for reply in held.takeAll() { reply.send(.success, remark: "late") }
            let answer = try await client.call(.request(.getMaxOffset), to: address, timeout: .seconds(10))
            #expect(answer.remark == nil)
            #expect(server.opened == 1)
        }
    }

    @Test func shutdownDoesNotWaitForAPeerThatDoesNotAccept() async throws {
        // With its short queue full and nobody accepting, a listener leaves further connections hanging.
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1)
            .serverChannelOption(.autoRead, value: false)
            .bind(host: "127.0.0.1", port: 0).get()
        let address = try #require(listener.localAddress?.hostPort)
        let clients = (0..<6).map { _ in
            RemotingClient(
                configuration: .init(connectTimeout: .seconds(60)), group: MultiThreadedEventLoopGroup.singleton,
                logger: quiet)
        }
        let calls = clients.map { client in
            Task { try await client.call(.request(.sendMessage), to: address, timeout: .seconds(60)) }
        }
        let start = ContinuousClock.now
        for client in clients { await client.shutdown() }
        for call in calls { await #expect(throws: TransportError.self) { try await call.value } }
        #expect(ContinuousClock.now - start < .seconds(30))
        try await listener.close()
    }

    @Test func aLostConnection_mayHaveHappened() async throws {
        try await withPair { request, connection, reply in
            if request.requestCode == .sendMessage { connection.close() } else { reply.send(.success) }
        } body: { client, address, server in
            let error = await #expect(throws: TransportError.self) {
                try await client.call(.request(.sendMessage), to: address, timeout: .seconds(10))
            }
            // The server closes without a word, or answers for the dropped request just before.
            #expect(error == .connectionLost(address: address, request: .sendMessage))
            #expect(error?.isCertainlyNotSent == false)
            _ = try await client.call(.request(.getMaxOffset), to: address, timeout: .seconds(10))
            #expect(server.opened == 2)
        }
    }

    /// A longer frame than peers read would cost the asker its connection, and all that it waits for there.
    @Test func anAnswerThatFitsIntoNoFrameIsRefused() async throws {
        let longest = FrameCodec.limitBytes - (64 << 10)
        try await withPair { request, _, reply in
            reply.send(
                request.response(
                    extFields: ["n": "1"], body: ByteBuffer(repeating: 7, count: longest + Int(request.code) - 10)))
        } body: { client, address, _ in
            let refused = try await client.call(RemotingCommand(code: 11), to: address, timeout: .seconds(10))
            #expect(refused.responseCode == .systemError && refused.body == nil && refused.extFields.isEmpty)
            #expect(
                refused.remark == "the answer has \(longest + 1) bytes, and fits into no frame (at most \(longest))")
            let fits = try await client.call(RemotingCommand(code: 10), to: address, timeout: .seconds(10))
            #expect(fits.responseCode == .success && fits.body?.readableBytes == longest)
        }
    }

    @Test func aDroppedReplyAnswersForItself() async throws {
        try await withPair { _, _, _ in
        } body: { client, address, _ in
            let answer = try await client.call(.request(.sendMessage), to: address, timeout: .seconds(10))
            #expect(answer.responseCode == .systemError)
            #expect(answer.remark?.contains("SEND_MESSAGE (10) was dropped") == true)
        }
    }

    @Test func oneWayRequestsGetNoAnswer() async throws {
        try await withPair { request, _, reply in
            #expect(reply.isExpected == (request.requestCode != .updateConsumerOffset))
            reply.send(.success)
        } body: { client, address, server in
            try await client.notify(.request(.updateConsumerOffset), to: address)
            _ = try await client.call(.request(.getMaxOffset), to: address, timeout: .seconds(10))
            #expect(server.seen == [15, 30])
        }
    }

    @Test func serversPushAndCallTheirClients() async throws {
        let pushed = ScriptedServer { request, _, reply in reply.send(request.response(remark: "from the client")) }
        let remarks = Mutex<[String]>([])
        try await withPair(pushed: pushed) { request, connection, reply in
            #expect(connection.notify(.request(.notifyConsumerIDsChanged)))
            connection.call(.request(.getConsumerRunningInfo), timeout: .seconds(10)).whenComplete { result in
                remarks.withLock { $0.append((try? result.get())?.remark ?? "\(result)") }
                reply.send(.success)
            }
        } body: { client, address, _ in
            _ = try await client.call(.request(.heartbeat), to: address, timeout: .seconds(10))
            #expect(pushed.seen == [40, 307])
            #expect(remarks.withLock { $0 } == ["from the client"])
        }
    }

    @Test func aTakenPortIsSaidSo() async throws {
        try await withPair { _, _, reply in
            reply.send(.success)
        } body: { _, address, handler in
            let port = try HostPort(address).port
            let second = RemotingServer(
                configuration: .init(host: "127.0.0.1", port: port), group: MultiThreadedEventLoopGroup.singleton,
                logger: quiet, handler: handler)
            let error = await #expect(throws: TransportError.self) { try await second.start() }
            #expect(
                error?.description
                    == "cannot listen on \(address): port \(port) is taken "
                    + "(stop the process that has it, or choose another port)")
        }
    }

    @Test func aFrameAboveTheLimitEndsTheConnection() async throws {
        try await withPair(limits: ConnectionLimits(frameBytes: 1000)) { _, _, reply in
            reply.send(.success)
        } body: { client, address, _ in
            let large = RemotingCommand(code: 10, body: ByteBuffer(repeating: 0, count: 2000))
            await #expect(throws: TransportError.connectionLost(address: address, request: .sendMessage)) {
                try await client.call(large, to: address, timeout: .seconds(10))
            }
        }
    }

    @Test func connectionsAboveTheLimitAreClosed() async throws {
        try await withPair(connectionLimit: 1) { _, _, reply in
            reply.send(.success)
        } body: { client, address, _ in
            _ = try await client.call(.request(.heartbeat), to: address, timeout: .seconds(10))
            let second = RemotingClient(group: MultiThreadedEventLoopGroup.singleton, logger: quiet)
            await #expect(throws: TransportError.self) {
                try await second.call(.request(.heartbeat), to: address, timeout: .seconds(10))
            }
            await second.shutdown()
        }
    }

    @Test func readingPausesAtTheLimitAndGoesOn() async throws {
        let held = HeldReplies()
        try await withPair(limits: ConnectionLimits(requestsInFlight: 4)) { _, _, reply in
            held.hold(reply)
        } body: { client, address, server in
            // Large enough that they do not arrive in one read.
            let body = ByteBuffer(repeating: 0, count: 100_000)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<40 {
                    group.addTask {
                        _ = try await client.call(
                            .request(.sendMessage, body: body), to: address, timeout: .seconds(20))
                    }
                }
                try await until { server.seen.count >= 4 }
                var answered = 0
                var most = 0
                let deadline = ContinuousClock.now.advanced(by: .seconds(30))
                while answered < 40 {
                    try #require(ContinuousClock.now < deadline, "only \(answered) requests came")
                    let replies = held.takeAll()
                    most = max(most, replies.count)
                    answered += replies.count
                    for reply in replies { reply.send(.success) }
                    try await pause()
                }
                try await group.waitForAll()
                #expect(most < 20, "\(most) requests were taken in at once, so reading never paused")
            }
        }
    }

    @Test func aClientThatIsShutDownSendsNothing() async throws {
        try await withPair { _, _, reply in
            reply.send(.success)
        } body: { client, address, server in
            await client.shutdown()
            let error = await #expect(throws: TransportError.self) {
                try await client.call(.request(.sendMessage), to: address, timeout: .seconds(3))
            }
            #expect(error?.isCertainlyNotSent == true)
            #expect(server.seen.isEmpty)
        }
    }
}
