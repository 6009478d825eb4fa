import MQStore
import MQTransport
import MQWire
import NIOCore
import Synchronization

/// How far groups are and what queues hold: all groups of the broker (317), times (303), entries (321), corrections (308),
/// counts (315) and producers (328).
struct ProgressProcessor: RequestProcessor {
    let context: BrokerContext

    /// The most entries of a queue given at once, whatever is asked.
    private static let entryLimit: Int32 = 1024

    /// Answers what it knows; `false` for other requests.
    func handle(_ request: RemotingCommand, reply: RemotingReply) throws -> Bool {
        switch request.requestCode {
        case .getBrokerConsumeStats: allGroups(request, reply: reply)
        case .queryConsumeTimeSpan: try timeSpans(request, reply: reply)
        case .queryConsumeQueue: try entries(request, reply: reply)
        case .queryCorrectionOffset: try corrections(request, reply: reply)
        case .viewBrokerStats: try counts(request, reply: reply)
        case .getAllProducerInfo: producers(request, reply: reply)
        default: return false
        }
        return true
    }

    // MARK: Groups

    private func allGroups(_ request: RemotingCommand, reply: RemotingReply) {
        let onlyOrdered = request.extFields.flag("isOrder")
        let groups = context.groups.withLock { $0.names }
        context.answer(reply, on: context.lanes.admin) { [context] in
            let progress = GroupProgress(context: context)
            let stats = try groups.map { group in
                BrokerConsumeStats.Group(
                    name: group,
                    topics: try topics(of: group, onlyOrdered: onlyOrdered).map {
                        try progress.stats(of: [$0], group: group)
                    })
            }
            let body = BrokerConsumeStats(brokerAddress: context.announcedAddress, groups: stats)
            return request.response(.success, body: body.encoded())
        }
    }

    /// What a group has offsets of and, while it has members, still subscribes to.
    private func topics(of group: String, onlyOrdered: Bool) -> [TopicConfig] {
        let subscriptions = context.clients.withLock { $0.consumers[group]?.subscriptions } ?? [:]
        let names = context.offsets.withLock { $0.topics(of: group) }
        return names.compactMap { name in context.topics.withLock { $0[name] } }.filter { topic in
            (!onlyOrdered || topic.order) && (subscriptions.isEmpty || subscriptions[topic.name] != nil)
        }
    }

    private func timeSpans(_ request: RemotingCommand, reply: RemotingReply) throws {
        let name = try request.extFields.required("topic")
        let group = try request.extFields.required("group")
        guard let topic = context.topics.withLock({ $0[name] }) else {
            return reply.send(.topicNotExist, remark: "topic[\(name)] not exist")
        }
        context.answer(reply, on: context.lanes.admin) { [context] in
            let spans = try (0..<max(0, topic.writeQueueNums)).map { queueID -> JSONValue in
                let key = QueueKey(topic: name, queueID: queueID)
                let maximum = context.store.maximumOffset(of: key)
                let first = try context.store.storeTimestamp(of: key, at: context.store.minimumOffset(of: key)) ?? -1
                let committed = context.offsets.withLock { $0.offset(group: group, queue: key) } ?? -1
                func time(at offset: Int64) throws -> Int64 {
                    try context.store.storeTimestamp(of: key, at: offset) ?? -1
                }
                let queue = QueueIdentity(
                    topic: name, brokerName: context.configuration.brokerName, queueID: queueID)
                let consumed = committed > 0 ? try time(at: committed - 1) : first
                let last = maximum > 0 ? try time(at: maximum - 1) : -1
                return [
                    "consumeTimeStamp": .integer(consumed),
                    "consumeTimeStampStr": .string(WallTime.text(consumed)),
                    "delayTime": .integer(
                        committed < maximum ? context.now() - (try time(at: max(0, committed))) : 0),
                    "maxTimeStamp": .integer(last), "maxTimeStampStr": .string(WallTime.text(last)),
                    "messageQueue": queue.json, "minTimeStamp": .integer(first),
                    "minTimeStampStr": .string(WallTime.text(first)),
                ]
            }
            let body: JSONValue = ["consumeTimeSpanSet": .array(spans)]
            return request.response(.success, body: body.encoded())
        }
    }

    private func corrections(_ request: RemotingCommand, reply: RemotingReply) throws {
        let topic = try request.extFields.required("topic")
        let compared = try request.extFields.required("compareGroup")
        let groups = request.extFields["filterGroups"]?.split(separator: ",").map(String.init)
        let queues = context.store.queueKeys.filter { $0.topic == topic }
        let minima = Dictionary(
            queues.map { ($0.queueID, context.store.minimumOffset(of: $0)) }, uniquingKeysWith: { first, _ in first })
        let offsets = context.offsets.withLock { table in
            let least = table.leastOffsets(of: topic, leavingOut: Set(groups ?? [])) { minima[$0] ?? 0 }
            // Who is behind the others needs no correction: the largest number says so.
            return least.map { queueID, offset in
                let own = table.offset(group: compared, queue: QueueKey(topic: topic, queueID: queueID))
                return (queueID, own.map { offset > $0 ? Int64.max : offset } ?? offset)
            }
        }
        let members = offsets.sorted { $0.0 < $1.0 }.map { JSONMember(String($0.0), .integer($0.1)) }
        let body: JSONValue = ["correctionOffsets": .object(members)]
        reply.send(request.response(.success, body: body.encoded()))
    }

    // MARK: Queues

    private func entries(_ request: RemotingCommand, reply: RemotingReply) throws {
        let fields = request.extFields
        let key = QueueKey(topic: try fields.required("topic"), queueID: try fields.required("queueId", as: Int32.self))
        let index = try fields.required("index", as: Int64.self)
        let count = try fields.required("count", as: Int32.self)
        let group = fields["consumerGroup"].flatMap { $0.isEmpty ? nil : $0 }
        let subscription = group.flatMap { group in
            context.clients.withLock { $0.subscription(group: group, topic: key.topic) }
        }
        context.answer(reply, on: context.lanes.admin) { [context] in
            var members: [JSONMember] = []
            if let group {
                // What Apache's broker keeps of a condition; of tags it keeps none, and says so.
                let filter = subscription == nil ? "\(group)@\(key.topic) is not online!" : "null"
                members.append(JSONMember("filterData", .string(filter)))
            }
            members.append(JSONMember("maxQueueIndex", .integer(context.store.maximumOffset(of: key))))
            members.append(JSONMember("minQueueIndex", .integer(context.store.minimumOffset(of: key))))
            let found = try context.store.entries(
                of: key, from: index, count: Int(min(max(0, count), Self.entryLimit)))
            guard !found.isEmpty else {
                return request.response(
                    .success, remark: "Index \(index) of \(key.queueID)@\(key.topic) is not exist!")
            }
            let filter = subscription.flatMap {
                try? MessageFilter(expression: $0.expression, type: $0.expressionType)
            }
            let values = found.map { entry -> JSONValue in
                [
                    "eval": .bool(filter?.mayWant(entry.tagCode) ?? false), "physicOffset": .integer(entry.logOffset),
                    "physicSize": .integer(Int64(entry.size)), "tagsCode": .integer(entry.tagCode),
                ]
            }
            members.append(JSONMember("queueData", .array(values)))
            if let subscription { members.append(JSONMember("subscriptionData", subscription.json)) }
            return request.response(.success, body: JSONValue.object(members).encoded())
        }
    }

    // MARK: Counts and producers

    private func counts(_ request: RemotingCommand, reply: RemotingReply) throws {
        let name = try request.extFields.required("statsName")
        let key = try request.extFields.required("statsKey")
        let window = StatsTable.Name(rawValue: name).flatMap { name in context.stats.withLock { $0[name, key] } }
        guard let window else {
            return reply.send(.systemError, remark: "The stats <\(name)> <\(key)> not exist")
        }
        reply.send(request.response(.success, body: StatsTable.json(window, now: context.uptime()).encoded()))
    }

    private func producers(_ request: RemotingCommand, reply: RemotingReply) {
        let groups = context.clients.withLock { $0.producers }
        let addresses = context.connections.withLock { $0.mapValues(\.remoteAddress) }
        let now = context.now() - context.uptime()
        let members = groups.sorted { $0.key < $1.key }.map { group, members in
            JSONMember(
                group,
                .array(
                    members.sorted { $0.key < $1.key }.map { number, member in
                        [
                            "clientId": .string(member.clientID),
                            "language": .string(member.language.description),
                            // Seen on the monotonic clock; told on the wall clock.
                            "lastUpdateTimestamp": .integer(now + member.lastSeen),
                            "remoteIP": .string(addresses[number] ?? ""), "version": .integer(Int64(member.version)),
                        ]
                    }))
        }
        let body: JSONValue = ["data": .object(members)]
        reply.send(request.response(.success, body: body.encoded()))
    }
}
