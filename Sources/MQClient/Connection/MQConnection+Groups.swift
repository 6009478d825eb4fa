import Glibc
import MQWire

/// What consumers ask brokers about their group.
extension MQConnection {
    /// The client ids of a group, as a broker of a topic that it reads has them.
    func members(of group: String, readers topic: String) async throws(MQClientError) -> [String] {
        let route = try await subscribeRoute(of: topic)
        var last = MQClientError.noQueue(topic: topic, reason: "no broker is alive")
        for set in route.brokers.values.sorted(by: { $0.name < $1.name }) {
            guard let address = set.readAddress(suggestedID: nil) else { continue }
            do throws(MQClientError) {
                let request = ConsumerGroupRequestHeader(consumerGroup: group)
                let answer = try await cancellableCall(.request(.getConsumerListByGroup, request), to: address)
                guard answer.responseCode == .success else { throw MQClientError(refusal: answer, by: address) }
                return try Self.body(ConsumerList.self, of: answer, address: address).clientIDs
            } catch {
                last = error
                // A broker that has not heard of the group yet is the right one all the same.
                if case .refused = error { continue }
                distrustRoute(of: topic)
            }
        }
        throw last
    }

    /// Locks queues of one broker set for this member; which of them it has now.
    func lock(_ queues: [MessageQueue], group: String) async throws(MQClientError) -> Set<MessageQueue> {
        guard let address = try await master(of: queues) else { return [] }
        let body = LockBatchRequestBody(consumerGroup: group, clientID: clientID, queues: queues.map(\.identity))
        let answer = try await call(.request(.lockBatchQueues, body: body.encoded()), to: address)
        guard answer.responseCode == .success else { throw MQClientError(refusal: answer, by: address) }
        let locked = try Self.body(LockBatchResponseBody.self, of: answer, address: address).lockedQueues
        return Set(locked.map { MessageQueue(topic: $0.topic, brokerName: $0.brokerName, queueID: $0.queueID) })
    }

    /// Gives locks back.
    func unlock(_ queues: [MessageQueue], group: String) async throws(MQClientError) {
        guard let address = try await master(of: queues) else { return }
        let body = LockBatchRequestBody(consumerGroup: group, clientID: clientID, queues: queues.map(\.identity))
        let answer = try await call(.request(.unlockBatchQueues, body: body.encoded()), to: address)
        guard answer.responseCode == .success else { throw MQClientError(refusal: answer, by: address) }
    }

    static func nowMilliseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    private func master(of queues: [MessageQueue]) async throws(MQClientError) -> String? {
        guard let first = queues.first else { return nil }
        return try await subscribeRoute(of: first.topic).brokers[first.brokerName]?.masterAddress
    }

    private static func body<Body: JSONBody>(
        _ type: Body.Type, of answer: RemotingCommand, address: String
    ) throws(MQClientError) -> Body {
        do throws(BodyError) {
            return try Body(decoding: answer.body)
        } catch {
            throw .unreadableAnswer(address: address, reason: "\(error)")
        }
    }
}

extension MessageQueue {
    var identity: QueueIdentity { QueueIdentity(topic: topic, brokerName: brokerName, queueID: queueID) }
}
