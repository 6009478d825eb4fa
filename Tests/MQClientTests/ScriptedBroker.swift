import MQTransport
import MQWire
import Synchronization

/// A broker whose answers to sends the test chooses, one after the other; the last one is repeated.
final class ScriptedBroker: RemotingRequestHandler {
    enum Step: Sendable {
        case answer(ResponseCode), silence, close
        /// Lets something happen before it answers, such as time.
        case after(@Sendable () -> Void, ResponseCode)
    }

    private let state: Mutex<(steps: [Step], sends: [SendMessageRequestHeader], held: [RemotingReply])>

    init(_ steps: [Step]) { state = Mutex((steps, [], [])) }

    var sends: [SendMessageRequestHeader] { state.withLock { $0.sends } }

    func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
        guard request.requestCode == .sendMessageV2, let header = try? SendMessageRequestHeader(request: request) else {
            return reply.send(.success)
        }
        let step = state.withLock { state in
            state.sends.append(header)
            return state.steps.count > 1 ? state.steps.removeFirst() : state.steps[0]
        }
        let fields = SendMessageResponseHeader(messageID: "AB", queueID: 0, queueOffset: 5)
        switch step {
        case .answer(let code): reply.send(request.response(code, fields, remark: "scripted"))
        case .after(let event, let code):
            event()
            reply.send(request.response(code, fields, remark: "scripted"))
        case .silence: state.withLock { $0.held.append(reply) }
        case .close:
            state.withLock { $0.held.append(reply) }
            connection.close()
        }
    }
}
