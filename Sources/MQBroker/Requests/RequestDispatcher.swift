import MQReplication
import MQStore
import MQTransport
import MQWire

/// Carries out requests of some kinds.
protocol RequestProcessor: Sendable {
    /// Answers what it knows, now or later; `false` for other requests.
    func handle(_ request: RemotingCommand, reply: RemotingReply) throws -> Bool
}

/// Finds the processor for a request. Runs on the connection's event loop; processors never block it.
///
/// One object and no value: a request then takes hold of it once and not of each of its parts.
final class RequestDispatcher: Sendable {
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

    init(
        send: SendProcessor, pull: PullProcessor, offsets: OffsetProcessor, clients: ClientProcessor,
        sendBack: SendBackProcessor, transactions: TransactionProcessor, reset: ResetProcessor,
        replies: ReplyProcessor, others: [any RequestProcessor]
    ) {
        self.send = send
        self.pull = pull
        self.offsets = offsets
        self.clients = clients
        self.sendBack = sendBack
        self.transactions = transactions
        self.reset = reset
        self.replies = replies
        self.others = others
    }

    /// Does at once for all requests of a read what each of them put off.
    func requestsHandled() { send.context.store.wakeWriter() }

    /// The fields that name a group.
    private static let groupFields: Set = ["consumerGroup", "group", "groupName", "producerGroup", "destGroup"]

    /// The shortest of them: the many fields of a send have names of one letter.
    private static let shortestGroupField = "group".utf8.count

    /// What a slave says to whoever wants it to store or to change something; with RocketMQ's codes.
    private static func refusalOfSlave(_ code: RequestCode) -> (code: ResponseCode, remark: String)? {
        switch code {
        case .sendMessage, .sendMessageV2, .sendBatchMessage, .consumerSendMessageBack, .sendReplyMessage,
            .sendReplyMessageV2:
            (.serviceNotAvailable, "this broker is a slave and takes no messages; send to its master")
        case .endTransaction: (.slaveNotAvailable, "this broker is a slave; transactions end on its master")
        // Answered with success it would be forgotten with the next copy of the master's table.
        case .updateConsumerOffset: (.systemError, "this broker is a slave; offsets are committed to its master")
        // It would last until the next copy of the master's tables, and a deleted topic's messages would be gone here.
        case .updateAndCreateTopic, .deleteTopicInBroker, .updateAndCreateSubscriptionGroup, .deleteSubscriptionGroup:
            (
                .systemError,
                "Can't modify topic or subscription group from slave broker, please execute it from master broker."
            )
        default: nil
        }
    }

    /// Whether a request has something stored, for which the group has to be there.
    private static func isStored(_ code: RequestCode) -> Bool {
        switch code {
        case .sendMessage, .sendMessageV2, .sendBatchMessage, .consumerSendMessageBack, .endTransaction: true
        default: false
        }
    }

    /// Why a master stores nothing at this moment; nothing of the request was.
    private static func remark(_ refusal: ReplicaSetMachine.Refusal) -> String {
        switch refusal {
        case .notMaster: "[NOT_MASTER]this broker is not the master of its group; send to its master"
        case .leaseOver: "[LEASE_OVER]this broker cannot renew its lease, and another one may be the master soon"
        case .tooFewInSync: "[IN_SYNC_REPLICAS_NOT_ENOUGH]too few brokers of the group are in sync"
        case .handingOver: "[HANDING_OVER]another broker of the group becomes the master; ask for the route again"
        }
    }

    func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
        // Whatever request names a group: it may become a topic's name, and that a folder's.
        for (field, name) in request.extFields.pairs
        where field.utf8.count >= Self.shortestGroupField && Self.groupFields.contains(field) {
            // An empty one is each request's own matter.
            guard !name.isEmpty, let objection = GroupName.objection(to: name) else { continue }
            return reply.send(.systemError, remark: objection)
        }
        if send.context.replication.isSlave {
            if let refusal = Self.refusalOfSlave(request.requestCode) {
                return reply.send(refusal.code, remark: refusal.remark)
            }
        } else if let member = send.context.replication.member, Self.isStored(request.requestCode),
            let reason = member.refusal
        {
            return reply.send(.serviceNotAvailable, remark: Self.remark(reason))
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
