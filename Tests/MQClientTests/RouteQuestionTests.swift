import MQTransport
import MQWire
import NIOPosix
import Synchronization
import Testing

@testable import MQClient

/// However many want a route, the nameserver is asked once or twice; and not at all when the route is not to blame.
@Suite struct RouteQuestionTests {
    private static let route = TopicRoute(topic: "t", data: TopicRouteData(queueDatas: [], brokerDatas: []))

    /// Answers that a test lets out.
    private final class Answers: Sendable {
        private let state = Mutex((asked: 0, waiting: [CheckedContinuation<Void, Never>](), isOpen: false))
        var asked: Int { state.withLock { $0.asked } }

        func ask() async -> RouteQuestions.Answer {
            await withCheckedContinuation { continuation in
                let isOpen = state.withLock { state in
                    state.asked += 1
                    if !state.isOpen { state.waiting.append(continuation) }
                    return state.isOpen
                }
                if isOpen { continuation.resume() }
            }
            return .success(RouteQuestionTests.route)
        }

        func open() {
            let waiting = state.withLock { state in
                state.isOpen = true
                defer { state.waiting = [] }
                return state.waiting
            }
            for continuation in waiting { continuation.resume() }
        }
    }

    @Test func manyWhoAskAreOneQuestionAndThenOneMore() async throws {
        let (questions, answers) = (RouteQuestions(), Answers())
        await withTaskGroup(of: Bool.self) { tasks in
            for _ in 0..<64 {
                tasks.addTask { (try? await questions.answer(about: "t") { await answers.ask() }.get()) != nil }
            }
            // Of another topic it is another question.
            tasks.addTask { (try? await questions.answer(about: "u") { await answers.ask() }.get()) != nil }
            #expect(await eventually { answers.asked == 2 })
            try? await Task.sleep(for: .milliseconds(50))
            answers.open()
            for await isAnswered in tasks { #expect(isAnswered) }
        }
        #expect(answers.asked <= 3)
        // What was answered is no answer to whoever asks later.
        let before = answers.asked
        _ = await questions.answer(about: "t") { await answers.ask() }
        #expect(answers.asked == before + 1)
    }

    /// Whoever comes while an answer is given out must not be forgotten between this question and the next.
    @Test(.timeLimit(.minutes(1))) func everybodyHears() async {
        let questions = RouteQuestions()
        await withTaskGroup(of: Void.self) { tasks in
            for _ in 0..<8 {
                tasks.addTask {
                    for _ in 0..<100 { _ = await questions.answer(about: "t") { .success(Self.route) } }
                }
            }
        }
    }

    @Test func whoIsCancelledHearsAtOnce() async throws {
        let (questions, answers) = (RouteQuestions(), Answers())
        let first = Task { await questions.answer(about: "t") { await answers.ask() } }
        let second = Task { await questions.answer(about: "t") { await answers.ask() } }
        #expect(await eventually { answers.asked == 1 })
        first.cancel()
        second.cancel()
        for task in [first, second] {
            await #expect(throws: MQClientError.cancelled) { try await task.value.get() }
        }
        answers.open()
        await questions.shutdown()
        let late = await questions.answer(about: "t") { await answers.ask() }
        #expect(throws: MQClientError.cancelled) { try late.get() }
    }

    /// Answers questions for routes with one broker, and counts them.
    private final class CountingNameserver: RemotingRequestHandler {
        let broker: Mutex<String>
        let asked = Atomic(0)

        init(broker: String) { self.broker = Mutex(broker) }

        func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
            asked.wrappingAdd(1, ordering: .relaxed)
            let data = TopicRouteData(
                queueDatas: [
                    QueueData(brokerName: "b", readQueueNums: 1, writeQueueNums: 1, permission: .readWrite)
                ],
                brokerDatas: [BrokerData(cluster: "c", brokerName: "b", addresses: [0: broker.withLock { $0 }])])
            reply.send(request.response(.success, body: data.encoded()))
        }
    }

    @Test(arguments: [(ResponseCode.systemBusy, 1), (.serviceNotAvailable, 2)])
    func aBusyBrokerIsTheRightOne(_ refusal: ResponseCode, _ questions: Int) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let broker = ScriptedBroker([.answer(refusal), .answer(.success)])
        let server = RemotingServer(
            configuration: .init(host: "127.0.0.1", port: 0), group: group, logger: quiet, handler: broker)
        let handler = CountingNameserver(broker: try await server.start().hostPort)
        let nameserver = RemotingServer(
            configuration: .init(host: "127.0.0.1", port: 0), group: group, logger: quiet, handler: handler)
        let client = MQConnection(configuration: .init(nameservers: [try await nameserver.start().hostPort]))
        let producer = Producer(group: "g", client: client)
        let receipt = try await producer.send(Message(topic: "t", body: [1]), attempts: 2)
        #expect(receipt.attempt == 2 && handler.asked.load(ordering: .relaxed) == questions)
        await producer.shutdown()
        await client.shutdown()
        await nameserver.shutdown()
        await server.shutdown()
    }
}
