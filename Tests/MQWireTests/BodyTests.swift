import MQWire
import NIOCore
import Testing

@Suite struct BodyTests {
    @Test func apachesRegistrationIsReadWhole() throws {
        let request = try GoldenFrame.named("REGISTER_BROKER")
        let body = try RegisterBrokerBody(decoding: request.body)
        #expect(body.table.topics["TBW102"]?.permission == [.read, .write, .inherit])
        #expect(body.table.topics["SELF_TEST_TOPIC"]?.readQueueNums == 1)
        #expect(body.table.dataVersion.timestamp > 0)
        let sum = request.body.map { BodyChecksum.body($0) }
        let header: RegisterBrokerRequestHeader = try request.header()
        #expect(sum.map { Int32(bitPattern: $0) } == header.bodyCRC32)
        try survives(body)
    }

    @Test func bareNumericKeysAreRead() throws {
        let info = try ClusterInfo(
            decoding: GoldenFrame.named("GET_BROKER_CLUSTER_INFO JAVA nameserver JSON answered").body)
        #expect(info.brokers["broker-a"]?.addresses == [0: "127.0.0.1:10911", 1: "127.0.0.1:10921"])
        #expect(info.clusters == ["DefaultCluster": ["broker-a"]])
        try survives(info)
    }

    @Test func routesAreRead() throws {
        let frame = try #require(
            GoldenFrame.all.first {
                $0.name.hasPrefix("GET_ROUTEINFO_BY_TOPIC") && $0.name.hasSuffix("answered")
                    && $0.header["code"]?.integerValue == 0
            })
        let route = try TopicRouteData(decoding: frame.decoded().body)
        #expect(route.brokerDatas.first?.masterAddress == "127.0.0.1:10911")
        #expect(route.queueDatas.first?.brokerName == "broker-a")
        try survives(route)
    }

    @Test func heartbeatsOfBothClientsAreRead() throws {
        let java = try HeartbeatData(decoding: GoldenFrame.named("HEART_BEAT JAVA broker ROCKETMQ sent").body)
        #expect(java.producerGroups == ["CLIENT_INNER_PRODUCER"])
        #expect(java.consumers.first?.messageModel == .clustering)
        #expect(java.consumers.first?.subscriptions.map(\.topic) == ["%RETRY%DEMO_GROUP", "demo"])
        try survives(java)
        // The native client writes its enumerations as numbers and leaves out what it does not use.
        let native = try HeartbeatData(decoding: GoldenFrame.named("HEART_BEAT CPP slave JSON sent").body)
        let member = native.consumers.first
        #expect(native.clientID.contains("@"))
        #expect(member == nil || member?.messageModel == .clustering)
        try survives(native)
    }

    @Test func locksAreRead() throws {
        let lock = try LockBatchRequestBody(decoding: GoldenFrame.named("LOCK_BATCH_MQ CPP broker JSON sent").body)
        #expect(lock.queues.first?.brokerName == "broker-a")
        let locked = try LockBatchResponseBody(
            decoding: GoldenFrame.named("LOCK_BATCH_MQ CPP broker JSON answered").body)
        #expect(!locked.lockedQueues.isEmpty)
        try survives(lock)
        try survives(locked)
    }

    @Test func topicTablesAndListsAreRead() throws {
        let table = try TopicConfigTable(
            decoding: GoldenFrame.named("GET_ALL_TOPIC_CONFIG JAVA broker-fast-port JSON answered").body)
        #expect(table.topics["SCHEDULE_TOPIC_XXXX"]?.writeQueueNums == 18)
        try survives(table)
        let members = try ConsumerList(
            decoding: GoldenFrame.named("GET_CONSUMER_LIST_BY_GROUP CPP broker JSON answered").body)
        #expect(members.clientIDs.count == 1)
        try survives(members)
        try survives(TopicList(topics: ["a", "b"]))
    }

    @Test func aBadBodyIsNamed() {
        let empty = #expect(throws: BodyError.self) { try HeartbeatData(decoding: nil) }
        #expect(empty?.description == "HeartbeatData: the body is empty")
        let missing = #expect(throws: BodyError.self) { try TopicRouteData(json: ["queueDatas": [["perm": 6]]]) }
        #expect(missing?.description.contains("brokerName") == true)
    }

    private func survives<Body: JSONBody & Equatable>(_ body: Body) throws {
        #expect(try Body(decoding: body.encoded()) == body)
    }
}
