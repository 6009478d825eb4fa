import MQNameserver
import MQTransport
import MQWire
import NIOCore
import Testing

@Suite struct NameserverRequestsTests {
    private let now = ContinuousClock.now

    private func registration(
        compressed: Bool = false, crc: Int32? = nil, brokerID: Int64 = 0
    ) -> RemotingCommand {
        let table = TopicConfigTable(topics: ["t": TopicConfig(name: "t")], dataVersion: DataVersion(counter: 1))
        return .request(
            .registerBroker,
            RegisterBrokerRequestHeader(
                brokerName: "a", brokerAddress: "h:\(brokerID + 1)", clusterName: "c", haServerAddress: "h:9",
                brokerID: brokerID, compressed: compressed, bodyCRC32: crc),
            body: RegisterBrokerBody(table: table).encoded())
    }

    private func config(_ text: String) -> RemotingCommand {
        .request(.updateNamesrvConfig, body: ByteBuffer(string: text))
    }

    @Test func aCompressedRegistrationMakesARouteToo() throws {
        var requests = NameserverRequests()
        var request = registration(compressed: true)
        request.body = try RegisterBrokerBody(decoding: request.body).compressed()
        #expect(requests.answer(request, connection: 1, now: now).response.responseCode == .success)
        #expect(requests.routes.topicNames == ["t"])
    }

    @Test func settingsChangeAndAreTold() throws {
        var requests = NameserverRequests()
        let order = PutKeyValueRequestHeader(namespace: "ORDER_TOPIC_CONFIG", key: "t", value: "a:4")
        _ = requests.answer(.request(.putKVConfig, order), connection: 1, now: now)
        _ = requests.answer(registration(), connection: 1, now: now)
        func orderOfRoute() throws -> String? {
            let route = requests.answer(
                .request(.getRouteByTopic, TopicRequestHeader(topic: "t")), connection: 2, now: now)
            return try TopicRouteData(decoding: route.response.body).orderTopicConfiguration
        }
        #expect(try orderOfRoute() == nil)
        let (answer, event) = requests.answer(
            config("brokerExpiredTime=5000\norderMessageEnable=true\n"), connection: 1, now: now)
        var expected = NameserverConfiguration(brokerExpiry: .seconds(5))
        expected.orderMessages = true
        #expect(answer.responseCode == .success && event == .settingsChanged(expected))
        #expect(try orderOfRoute() == "a:4")
        let text = requests.answer(.request(.getNamesrvConfig), connection: 1, now: now).response.body
        let lines = String(buffer: text ?? ByteBuffer()).split(separator: "\n")
        #expect(lines.contains("brokerExpiredTime=5000") && lines.contains("scanNotActiveBrokerInterval=10000"))
        // A change of which one part is wrong changes nothing.
        _ = requests.answer(config("brokerExpiredTime=1\nscanNotActiveBrokerInterval=x"), connection: 1, now: now)
        #expect(requests.answer(config(""), connection: 1, now: now).event == .settingsChanged(expected))
    }

    @Test(arguments: [
        (RequestCode.getUnitTopicList, ["both", "unit"]), (.getHasUnitSubTopicList, ["both", "sub"]),
        (.getHasUnitSubUnunitTopicList, ["sub"]),
    ])
    func topicsAreListedByTheirUnitBits(_ code: RequestCode, _ names: [String]) throws {
        var requests = NameserverRequests()
        let topics = [("none", 0), ("unit", 1), ("sub", 2), ("both", 3)].map {
            ($0.0, TopicConfig(name: $0.0, sysFlag: Int32($0.1)))
        }
        var request = registration()
        request.body = RegisterBrokerBody(table: TopicConfigTable(topics: Dictionary(uniqueKeysWithValues: topics)))
            .encoded()
        _ = requests.answer(request, connection: 1, now: now)
        let answer = requests.answer(.request(code), connection: 1, now: now).response
        #expect(try TopicList(decoding: answer.body).topics == names)
    }

    @Test func aRegistrationMakesARoute() throws {
        var requests = NameserverRequests()
        let (answer, event) = requests.answer(registration(), connection: 1, now: now)
        #expect(answer.responseCode == .success)
        #expect(event == .brokerJoined(address: "h:1", name: "a"))
        #expect(requests.answer(registration(), connection: 1, now: now).event == nil)
        let route = requests.answer(
            .request(.getRouteByTopic, TopicRequestHeader(topic: "t")), connection: 2, now: now
        ).response
        #expect(try TopicRouteData(decoding: route.body).brokerDatas.first?.masterAddress == "h:1")
        let slave = requests.answer(registration(brokerID: 1), connection: 3, now: now).response
        #expect(try slave.header(RegisterBrokerResponseHeader.self).masterAddress == "h:1")
    }

    @Test func whatCannotBeDoneIsRefusedWithTheReason() {
        var requests = NameserverRequests()
        let cases: [(RemotingCommand, ResponseCode, String)] = [
            (.request(.getRouteByTopic, TopicRequestHeader(topic: "x")), .topicNotExist, "topic: x"),
            (.request(.getRouteByTopic), .systemError, "field topic is missing"),
            (registration(compressed: true), .systemError, "no zlib stream"),
            (config("kvConfigPath=/etc/passwd"), .noPermission, "config path"),
            (config("listenPort=1"), .systemError, "listenPort does not change"),
            (
                config("brokerExpiredTme=1"), .systemError,
                "unknown key brokerExpiredTme (did you mean brokerExpiredTime?"
            ),
            (config("brokerExpiredTime=soon"), .systemError, "the request: brokerExpiredTime: 'soon' is not accepted"),
            (registration(crc: 12345), .systemError, "crc32 not match"),
            (RemotingCommand(code: 4711), .requestCodeNotSupported, "4711"),
            (.request(.sendMessage), .requestCodeNotSupported, "SEND_MESSAGE"),
            (
                .request(.getKVConfig, KeyValueRequestHeader(namespace: "n", key: "k")), .queryNotFound,
                "Namespace: n Key: k"
            ),
        ]
        for (request, code, remark) in cases {
            let answer = requests.answer(request, connection: 1, now: now).response
            #expect(answer.responseCode == code)
            #expect(answer.remark?.contains(remark) == true, "\(answer.remark ?? "no remark")")
        }
        #expect(requests.routes.topicNames.isEmpty)
    }

    @Test func aMatchingSumIsAccepted() throws {
        var request = registration()
        let sum = try #require(request.body.map { BodyChecksum.body($0) })
        request.extFields["bodyCrc32"] = String(sum)
        var requests = NameserverRequests()
        #expect(requests.answer(request, connection: 1, now: now).response.responseCode == .success)
    }

    @Test func keysAndValuesAreKept() throws {
        var requests = NameserverRequests()
        func ask(_ request: RemotingCommand) -> RemotingCommand {
            requests.answer(request, connection: 1, now: now).response
        }
        #expect(
            ask(.request(.putKVConfig, PutKeyValueRequestHeader(namespace: "n", key: "k", value: "v"))).responseCode
                == .success)
        let key = KeyValueRequestHeader(namespace: "n", key: "k")
        #expect(try ask(.request(.getKVConfig, key)).header(KeyValueResponseHeader.self).value == "v")
        var list = RemotingCommand.request(.getKVListByNamespace)
        list.extFields = ["namespace": "n"]
        #expect(ask(list).body.map { String(buffer: $0) } == #"{"table":{"k":"v"}}"#)
        #expect(ask(.request(.deleteKVConfig, key)).responseCode == .success)
        #expect(ask(.request(.getKVConfig, key)).responseCode == .queryNotFound)
    }

    /// Brokers are told topics' orders, as RocketMQ's nameserver tells them with each registration.
    @Test func aRegistrationIsAnsweredWithTheOrders() throws {
        var requests = NameserverRequests()
        #expect(requests.answer(registration(), connection: 1, now: now).response.body == nil)
        let order = PutKeyValueRequestHeader(namespace: "ORDER_TOPIC_CONFIG", key: "t", value: "a:4")
        _ = requests.answer(.request(.putKVConfig, order), connection: 1, now: now)
        let body = requests.answer(registration(), connection: 1, now: now).response.body
        #expect(body.map { String(buffer: $0) } == #"{"table":{"t":"a:4"}}"#)
    }

    @Test func keysAndValuesAreBounded() {
        var requests = NameserverRequests()
        func put(_ key: String, _ value: String) -> String? {
            let put = PutKeyValueRequestHeader(namespace: "n", key: key, value: value)
            return requests.answer(.request(.putKVConfig, put), connection: 1, now: now).response.remark
        }
        let large = String(repeating: "v", count: 4 << 20)
        #expect(put("a", large)?.contains("full") == true)
        #expect(put("a", String(large.dropLast(100))) == nil)
        #expect(put("b", String(large.suffix(200)))?.contains("full") == true)
        // A shorter value in its place makes room.
        #expect(put("a", "small") == nil)
        #expect(put("b", String(large.suffix(200))) == nil)
        for number in 0..<9998 { #expect(put("k\(number)", "") == nil) }
        #expect(put("one more", "")?.contains("full (10000 entries)") == true)
        #expect(put("k7", "changed") == nil)
    }

    @Test func whoIsNotKnownDoesNotLeave() throws {
        var requests = NameserverRequests()
        _ = requests.answer(registration(), connection: 1, now: now)
        func leave(_ name: String) -> NameserverRequests.Event? {
            let header = UnregisterBrokerRequestHeader(
                brokerName: name, brokerAddress: "h:1", clusterName: "c", brokerID: 0)
            let (answer, event) = requests.answer(.request(.unregisterBroker, header), connection: 2, now: now)
            #expect(answer.responseCode == .success)
            return event
        }
        #expect(leave("other") == nil)
        #expect(requests.routes.topicNames == ["t"])
        #expect(leave("a") == .brokerLeft(address: "h:1", name: "a"))
        #expect(leave("a") == nil && requests.routes.topicNames.isEmpty)
    }

    @Test func aTopicIsDeletedInItsClusterOrEverywhere() {
        var requests = NameserverRequests()
        _ = requests.answer(registration(), connection: 1, now: now)
        func delete(_ cluster: String?) -> [String] {
            var request = RemotingCommand.request(.deleteTopicInNameserver, TopicRequestHeader(topic: "t"))
            request.extFields["clusterName"] = cluster
            #expect(requests.answer(request, connection: 1, now: now).response.responseCode == .success)
            return requests.routes.topicNames
        }
        #expect(delete("another") == ["t"])
        // RocketMQ takes an empty name for none.
        #expect(delete("").isEmpty)
    }

    @Test func topicsAreListedByClusterAndOfTheSystem() throws {
        var requests = NameserverRequests()
        _ = requests.answer(registration(), connection: 1, now: now)
        func topics(_ code: RequestCode, _ fields: ExtFields = [:]) throws -> [String] {
            let request = RemotingCommand(code: code.rawValue, extFields: fields)
            return try TopicList(decoding: requests.answer(request, connection: 1, now: now).response.body).topics
        }
        #expect(try topics(.getTopicsByCluster, ["cluster": "c"]) == ["t"])
        #expect(try topics(.getTopicsByCluster, ["cluster": "other"]) == [])
        #expect(try topics(.getAllTopicsFromNameserver) == ["t"])
        #expect(try topics(.getSystemTopicsFromNameserver) == ["a", "c"])
        // Tools ask this broker for what else is the system's.
        let system = requests.answer(.request(.getSystemTopicsFromNameserver), connection: 2, now: now).response
        #expect(try TopicList(decoding: system.body).brokerAddress != nil)
    }

    @Test func permissionsAreWipedAndGivenBack() throws {
        var requests = NameserverRequests()
        _ = requests.answer(registration(), connection: 1, now: now)
        let name = BrokerNameRequestHeader(brokerName: "a")
        let wiped = requests.answer(.request(.wipeWritePermission, name), connection: 1, now: now).response
        #expect(wiped.extFields["wipeTopicCount"] == "1")
        #expect(requests.routes.route(of: "t")?.queueDatas.first?.permission == .read)
        let given = requests.answer(.request(.addWritePermission, name), connection: 1, now: now).response
        #expect(given.extFields["addTopicCount"] == "1")
        #expect(requests.routes.route(of: "t")?.queueDatas.first?.permission == .readWrite)
    }

    @Test func settingsAreReadWithTheProtocolsDefaults() throws {
        var none = Settings(file: nil)
        #expect(try NameserverConfiguration(settings: &none) == NameserverConfiguration())
        var file = Settings(
            file: try PropertiesFile(text: "listenPort=1234\nscanNotActiveBrokerInterval=500\nport=1", name: "n"))
        let configuration = try NameserverConfiguration(settings: &file)
        #expect(configuration.listenPort == 1234)
        #expect(configuration.scanInterval == .milliseconds(500))
        #expect(file.unknownKeyWarnings(ignoring: NameserverConfiguration.ignoredKeys).count == 1)
        var bad = Settings(file: try PropertiesFile(text: "listenPort=98765", name: "n"))
        #expect(throws: ConfigurationError.self) { try NameserverConfiguration(settings: &bad) }
    }
}
