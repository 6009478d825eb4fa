import MQStore
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization
import SystemPackage

/// Requests of tools and slaves about tables: topics (17, 21, 215), offsets (43, 45), groups (200, 201, 207).
struct AdminProcessor: RequestProcessor {
    let context: BrokerContext
    let delays: DelaySchedule

    /// Answers what it knows; `false` for other requests.
    func handle(_ request: RemotingCommand, reply: RemotingReply) throws -> Bool {
        switch request.requestCode {
        case .updateAndCreateTopic: try updateTopic(request, reply: reply)
        case .deleteTopicInBroker: try deleteTopic(request, reply: reply)
        case .getAllTopicConfig:
            reply.send(request.response(.success, body: context.topics.withLock { $0.table }.encoded()))
        case .getAllConsumerOffset:
            reply.send(request.response(.success, body: context.offsets.withLock { $0 }.json.encoded()))
        case .getAllDelayOffset: reply.send(request.response(.success, body: delays.json.encoded()))
        case .getAllSubscriptionGroups:
            reply.send(request.response(.success, body: context.groups.withLock { $0 }.json.encoded()))
        case .updateAndCreateSubscriptionGroup: try updateGroup(request, reply: reply)
        case .deleteSubscriptionGroup:
            let name = try request.extFields.required("groupName")
            let time = context.now()
            context.groups.withLock { $0.remove(name, nowMilliseconds: time) }
            if request.extFields.flag("removeOffset") { context.offsets.withLock { $0.forget(group: name) } }
            saveGroups(reply)
        default: return false
        }
        return true
    }

    /// Why an operator cannot change a topic of this name.
    private func objection(to topic: String) -> String? {
        SystemTopic.objection(to: topic) ?? SystemTopic.isReserved(topic, context.configuration)
    }

    private func updateTopic(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: CreateTopicRequestHeader = try request.header()
        if let objection = objection(to: header.topic) { return reply.send(.systemError, remark: objection) }
        guard (1...1024).contains(header.readQueueNums), (1...1024).contains(header.writeQueueNums) else {
            return reply.send(.systemError, remark: "\(header.topic): queue counts must be from 1 to 1024")
        }
        let topic = TopicConfig(
            name: header.topic, readQueueNums: header.readQueueNums, writeQueueNums: header.writeQueueNums,
            permission: TopicPermission(rawValue: header.perm), sysFlag: header.topicSysFlag ?? 0,
            order: header.order, filterType: header.topicFilterType ?? "SINGLE_TAG")
        let time = context.now()
        context.topics.withLock { $0.put(topic, nowMilliseconds: time) }
        context.topicsDidChange { [context] in
            guard context.topicsAreSaved else {
                return reply.send(
                    .systemError, remark: "the topic is made, and could not be saved: see the broker's log")
            }
            reply.send(.success)
        }
    }

    private func deleteTopic(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: TopicRequestHeader = try request.header()
        if let objection = objection(to: header.topic) { return reply.send(.systemError, remark: objection) }
        let time = context.now()
        guard context.topics.withLock({ $0.remove(header.topic, nowMilliseconds: time) }) else {
            return reply.send(.success)
        }
        context.offsets.withLock { $0.forget(topic: header.topic) }
        context.stats.withLock { $0.forget(topic: header.topic) }
        context.topicsDidChange()
        context.store.deleteTopic(header.topic) { error in
            if let error { reply.send(.systemError, remark: "\(error)") } else { reply.send(.success) }
        }
    }

    private func updateGroup(_ request: RemotingCommand, reply: RemotingReply) throws {
        let group = try SubscriptionGroup(decoding: request.body)
        if let objection = GroupName.objection(to: group.name) { return reply.send(.systemError, remark: objection) }
        guard (0...1024).contains(group.retryQueues) else {
            return reply.send(.systemError, remark: "retryQueueNums \(group.retryQueues): from 0 to 1024")
        }
        let time = context.now()
        context.groups.withLock { $0.put(group, nowMilliseconds: time) }
        saveGroups(reply)
    }

    /// Answers once the groups are on the disk.
    private func saveGroups(_ reply: RemotingReply) {
        context.lanes.tables.perform { [context] _ in
            context.saveOffsetsAndGroups()
            let isSaved = !context.groups.withLock { $0.isDirty }
            reply.send(
                isSaved ? .success : .systemError,
                remark: isSaved ? nil : "the group is changed, and could not be saved: see the broker's log")
        }
    }
}
