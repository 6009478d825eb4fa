import MQStore
import MQTransport
import MQWire
import NIOCore
import Synchronization

/// Questions that a consumer answers, and the broker passes on: its state (307), one message now (309), and the offsets
/// that each member of a group holds (223).
struct ConsumerRelay: RequestProcessor {
    let context: BrokerContext

    /// How long one consumer is waited for, as in RocketMQ.
    private static let patience = Duration.seconds(10)
    /// How long each member of a group is waited for, as in RocketMQ.
    private static let statusPatience = Duration.seconds(5)

    /// Answers what it knows; `false` for other requests.
    func handle(_ request: RemotingCommand, reply: RemotingReply) throws -> Bool {
        switch request.requestCode {
        case .getConsumerRunningInfo: try pass(request, body: nil, reply: reply)
        case .consumeMessageDirectly: try consumeDirectly(request, reply: reply)
        case .invokeBrokerToGetConsumerStatus: try offsets(request, reply: reply)
        default: return false
        }
        return true
    }

    /// Sends the request to the one consumer that it names, and its answer back.
    private func pass(_ request: RemotingCommand, body: ByteBuffer?, reply: RemotingReply) throws {
        let group = try request.extFields.required("consumerGroup")
        let client = try request.extFields.required("clientId")
        let number = context.clients.withLock { $0.connection(of: client, in: group) }
        guard let number, let connection = context.connections.withLock({ $0[number] }) else {
            return reply.send(.systemError, remark: "The Consumer <\(group)> <\(client)> not online")
        }
        var passed = RemotingCommand.request(request.requestCode)
        passed.extFields = request.extFields
        passed.body = body
        connection.push(passed, timeout: Self.patience).whenComplete { result in
            switch result {
            case .success(let answer): reply.send(answer)
            case .failure(TransportError.timedOut):
                reply.send(.consumeMessageTimeout, remark: "consumer <\(group)> <\(client)> did not answer in time")
            case .failure(let error):
                reply.send(.systemError, remark: "invoke consumer <\(group)> <\(client)> failed: \(error)")
            }
        }
    }

    private func consumeDirectly(_ request: RemotingCommand, reply: RemotingReply) throws {
        var named = request
        named.body = nil
        named.extFields["brokerName"] = context.configuration.brokerName
        let text = try request.extFields.required("msgId")
        guard let id = OffsetMessageID(text) else {
            return reply.send(.systemError, remark: "'\(text)' is no offset message id")
        }
        context.run(context.lanes.query, reply) { [self, named] in
            do {
                guard let record = try context.store.record(atLogOffset: id.logOffset) else {
                    return reply.send(.systemError, remark: "no message begins at log offset \(id.logOffset)")
                }
                try pass(named, body: OffsetProcessor.encoded([record]), reply: reply)
            } catch {
                reply.send(.systemError, remark: "\(error)")
            }
        }
    }

    /// Asks every member, or one, which offsets it holds of a topic; who does not answer is left out.
    private func offsets(_ request: RemotingCommand, reply: RemotingReply) throws {
        let group = try request.extFields.required("group")
        let topic = try request.extFields.required("topic")
        let wanted = request.extFields["clientAddr"].flatMap { $0.isEmpty ? nil : $0 }
        let members = (context.clients.withLock { $0.consumers[group]?.members } ?? [:]).filter {
            wanted == nil || $0.value.clientID == wanted
        }
        let connections = context.connections.withLock { all in
            members.compactMap { number, member in all[number].map { (member.clientID, $0) } }
        }
        guard let first = connections.first else {
            return reply.send(.systemError, remark: "No Any Consumer online in the consumer group: [\(group)]")
        }
        var question = RemotingCommand.request(.getConsumerStatusFromClient)
        question.extFields = ["group": group, "topic": topic]
        let loop = first.1.eventLoop
        let asked = connections.map { [question] client, connection in
            connection.push(question, timeout: Self.statusPatience).map { (client, $0) }.hop(to: loop)
        }
        EventLoopFuture.whenAllComplete(asked, on: loop).whenSuccess { results in
            var status = GroupStatus(members: [])
            for case .success((let client, let answer)) in results where answer.responseCode == .success {
                guard let places = try? ConsumerStatus(decoding: answer.body) else { continue }
                status.members.append(GroupStatus.Member(clientID: client, status: places))
            }
            reply.send(request.response(.success, body: status.encoded()))
        }
    }
}
