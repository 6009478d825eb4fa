import Logging
import MQStore
import MQTransport
import MQWire
import NIOCore
import Synchronization

/// Orders of operators: cleaning (306, 316, 329), offsets of one group for another (314), a transaction checked again
/// (323), and the list of what is the broker's own (305).
struct MaintenanceProcessor: RequestProcessor {
    let context: BrokerContext

    /// Answers what it knows; `false` for other requests.
    func handle(_ request: RemotingCommand, reply: RemotingReply) throws -> Bool {
        switch request.requestCode {
        case .getSystemTopicsFromBroker: systemTopics(request, reply: reply)
        case .cleanExpiredConsumeQueue:
            context.store.removeLostEntries()
            reply.send(.success)
        case .deleteExpiredCommitLog:
            context.store.removeExpired()
            reply.send(.success)
        case .cleanUnusedTopic: cleanUnusedTopics(reply)
        case .cloneGroupOffset: try cloneOffsets(request, reply: reply)
        case .resumeCheckHalfMessage: try resumeCheck(request, reply: reply)
        default: return false
        }
        return true
    }

    private func systemTopics(_ request: RemotingCommand, reply: RemotingReply) {
        let names = SystemTopic.all(context.configuration).sorted()
        let body: JSONValue = ["topicList": .array(names.map { .string($0) })]
        reply.send(request.response(.success, body: body.encoded()))
    }

    /// Queues whose topic is no more: left by a deletion that failed half-way.
    private func cleanUnusedTopics(_ reply: RemotingReply) {
        // Queues first: a topic that is made meanwhile is known then.
        let stored = Set(context.store.queueKeys.map(\.topic))
        let known = context.topics.withLock { Set($0.table.topics.keys) }
        delete(stored.subtracting(known).sorted()[...], reply)
    }

    private func delete(_ topics: ArraySlice<String>, _ reply: RemotingReply) {
        guard let topic = topics.first else { return reply.send(.success) }
        // Made again while others were deleted: it is somebody's now.
        guard context.topics.withLock({ $0[topic] }) == nil else { return delete(topics.dropFirst(), reply) }
        context.store.deleteTopic(topic) { [self] error in
            if let error { return reply.send(.systemError, remark: "\(error)") }
            context.logger.notice("queues of an unknown topic were removed", metadata: ["topic": "\(topic)"])
            delete(topics.dropFirst(), reply)
        }
    }

    /// While the source group has members, only topics that it subscribes to; `offline` takes all.
    private func cloneOffsets(_ request: RemotingCommand, reply: RemotingReply) throws {
        let source = try request.extFields.required("srcGroup")
        let target = try request.extFields.required("destGroup")
        for name in [source, target] {
            if let objection = GroupName.objection(to: name) { return reply.send(.systemError, remark: objection) }
        }
        let named = request.extFields["topic"].flatMap { $0.isEmpty ? nil : $0 }
        let subscriptions = context.clients.withLock { $0.consumers[source]?.subscriptions } ?? [:]
        let topics = (named.map { [$0] } ?? context.offsets.withLock { $0.topics(of: source) }).filter { topic in
            let isWanted = request.extFields.flag("offline") || subscriptions.isEmpty || subscriptions[topic] != nil
            return isWanted && context.topics.withLock { $0[topic] } != nil
        }
        context.offsets.withLock { table in
            for topic in topics { table.clone(topic: topic, from: source, to: target) }
        }
        context.lanes.tables.perform { [context] _ in
            context.saveOffsetsAndGroups()
            reply.send(.success)
        }
    }

    /// Puts a message whose transaction was given up back among the open ones: its producer is asked again.
    private func resumeCheck(_ request: RemotingCommand, reply: RemotingReply) throws {
        let text = try request.extFields.required("msgId")
        guard let id = OffsetMessageID(text) else {
            return reply.send(.systemError, remark: "'\(text)' is no offset message id")
        }
        context.run(context.lanes.query, reply) { [context] in
            do throws(StoreError) {
                guard let record = try context.store.record(atLogOffset: id.logOffset),
                    record.topic == SystemTopic.unanswered, record.properties[PropertyName.realTopic] != nil
                else {
                    return reply.send(.systemError, remark: "there is no given-up transaction at \(id.logOffset)")
                }
                var half = record.draft()
                half.topic = SystemTopic.half
                half.queueID = 0
                // Questions are counted anew, also where Apache's broker had counted them.
                var properties = record.properties
                properties[PropertyName.transactionCheckTimes] = nil
                half.properties = ByteBuffer(string: properties.text)
                half.storeHost = context.storeHost.withLock { $0 }
                context.store([half]) { StoreAnswers.answer(reply, $0) }
            } catch {
                reply.send(.systemError, remark: "\(error)")
            }
        }
    }
}
