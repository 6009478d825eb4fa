import MQReplication
import MQStore
import MQTransport
import MQWire
import NIOCore
import Synchronization

/// Requests of ours among the brokers of one name: what one has of the log (21001), that a slave take over (21002), an
/// operator's wish for another master (21003), and which topics were deleted where in the log (21004).
struct GroupProcessor: RequestProcessor {
    let context: BrokerContext

    func handle(_ request: RemotingCommand, reply: RemotingReply) throws -> Bool {
        switch request.requestCode {
        case .haLogSpan: try logSpan(request, reply: reply)
        case .takeOver:
            let header: TakeOverRequestHeader = try request.header()
            guard let member = context.replication.member else { return false }
            member.tell(.takeOver(Epoch(number: header.epochNumber, mark: header.epochMark)))
            reply.send(.success)
        case .switchMaster:
            let header: SwitchMasterRequestHeader = try request.header()
            guard let shell = context.group.withLock({ $0 }) else {
                reply.send(.noPermission, remark: "this broker's group has a fixed master (failoverPolicy=none)")
                return true
            }
            shell.switchMaster(to: ReplicaID(header.replicaID)) { refusal in
                if let refusal { reply.send(.systemError, remark: refusal) } else { reply.send(.success) }
            }
        case .getDeletedTopics:
            let table = TextTable(context.store.deletedTopics.mapValues { String($0) })
            reply.send(request.response(.success, body: table.encoded()))
        default: return false
        }
        return true
    }

    private func logSpan(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: LogSpanRequestHeader = try request.header()
        context.answer(reply, on: context.lanes.tables) { [context] in
            let store = context.store
            let sum = try store.checksum(before: header.checkEnd, count: header.checkBytes)
            let replication = context.replication
            var answer = LogSpanResponseHeader(
                minOffset: store.minimumLogOffset, maxOffset: store.maximumLogOffset,
                segmentBytes: store.configuration.segmentBytes, haAddress: replication.address, checksum: sum)
            // All of one moment: a follower cuts by it.
            let status = replication.member?.status()
            let reign = status.map(\.reign) ?? replication.epochs.reign
            (answer.reignNumber, answer.reignMark) = (reign?.number, reign?.mark)
            if let status {
                answer.maxOffset = status.log.end
                (answer.replicaID, answer.incarnation) = (status.replica.id.number, status.replica.incarnation)
            }
            let table = status?.log.epochs ?? replication.epochs.table
            return request.response(.success, answer, body: ByteBuffer(string: table.text))
        }
    }
}
