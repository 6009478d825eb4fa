import MQTransport
import MQWire

/// Carries out requests of some kinds.
protocol RequestProcessor: Sendable {
    /// Answers what it knows, now or later; `false` for other requests.
    func handle(_ request: RemotingCommand, reply: RemotingReply) throws -> Bool
}

/// Finds the processor for a request. Runs on the connection's event loop; processors never block it.
struct RequestDispatcher: Sendable {
    let send: SendProcessor
    let pull: PullProcessor
    let offsets: OffsetProcessor
    let clients: ClientProcessor
    let sendBack: SendBackProcessor
    let transactions: TransactionProcessor
    let reset: ResetProcessor
    let replies: ReplyProcessor
    /// Rarer requests, asked in this order.
    let others: [any RequestProcessor]

    func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
        // Whatever request names a group: it may become a topic's name, and that a folder's.
        for field in ["consumerGroup", "group", "groupName", "producerGroup", "destGroup"] {
            guard let name = request.extFields[field], let objection = GroupName.objection(to: name) else { continue }
            // An empty one is each request's own matter.
            if !name.isEmpty { return reply.send(.systemError, remark: objection) }
        }
        do {
            switch request.requestCode {
            case .sendMessage, .sendMessageV2, .sendBatchMessage:
                try send.handle(request, from: connection, reply: reply)
            case .pullMessage: try pull.handle(request, from: connection, reply: reply)
            case .consumerSendMessageBack: try sendBack.handle(request, reply: reply)
            case .invokeBrokerToResetOffset: try reset.handle(request, reply: reply)
            case .sendReplyMessage, .sendReplyMessageV2:
                try replies.handle(request, from: connection, reply: reply)
            case .endTransaction: try transactions.end(request, reply: reply)
            case .queryConsumerOffset: try offsets.queryOffset(request, reply: reply)
            case .updateConsumerOffset: try offsets.updateOffset(request, reply: reply)
            case .searchOffsetByTimestamp: try offsets.searchOffset(request, reply: reply)
            case .getMaxOffset: try offsets.maximumOffset(request, reply: reply)
            case .getMinOffset: try offsets.minimumOffset(request, reply: reply)
            case .getEarliestMessageStoreTime: try offsets.earliestStoreTime(request, reply: reply)
            case .queryMessage: try offsets.queryMessages(request, reply: reply)
            case .viewMessageByID: try offsets.viewMessage(request, reply: reply)
            case .heartbeat: try clients.heartbeat(request, from: connection, reply: reply)
            case .unregisterClient: try clients.unregister(request, reply: reply)
            case .getConsumerListByGroup: try clients.consumerList(request, reply: reply)
            case .checkClientConfig: try clients.checkSubscription(request, reply: reply)
            case .lockBatchQueues: try clients.lock(request, reply: reply)
            case .unlockBatchQueues: try clients.unlock(request, reply: reply)
            default:
                for other in others where try other.handle(request, reply: reply) { return }
                reply.send(request.notSupported())
            }
        } catch {
            reply.send(.systemError, remark: "\(error)")
        }
    }
}
