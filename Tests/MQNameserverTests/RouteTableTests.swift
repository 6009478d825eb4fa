import MQWire
import Testing

@testable import MQNameserver

@Suite struct RouteTableTests {
    /// The nameserver began anew while the master was gone: it has heard of the slave, whose topics do not count. When
    /// the slave takes over, with the version that it had, its topics must become known.
    @Test func aSlaveThatBecomesMasterBringsItsTopics() throws {
        var table = RouteTable()
        let topics = TopicConfigTable(topics: ["t": TopicConfig(name: "t")], dataVersion: DataVersion(counter: 3))
        func register(_ id: Int64, _ address: String) throws {
            _ = try table.register(
                RegisterBrokerRequestHeader(
                    brokerName: "a", brokerAddress: address, clusterName: "c", haServerAddress: nil, brokerID: id),
                table: topics, connection: 1, now: .now)
        }
        try register(1, "h:2")
        #expect(table.route(of: "t") == nil)
        try register(0, "h:2")
        #expect(table.route(of: "t")?.brokerDatas.first?.addresses == [0: "h:2"])
        // The old master comes back as a slave; nothing else changes.
        try register(1, "h:1")
        #expect(table.route(of: "t")?.brokerDatas.first?.addresses == [0: "h:2", 1: "h:1"])
        // And takes over again, at its address.
        try register(0, "h:1")
        #expect(table.route(of: "t")?.brokerDatas.first?.masterAddress == "h:1")
    }

    private let start = ContinuousClock.now

    private func header(
        _ name: String, id: Int64 = 0, address: String, cluster: String = "c1", ha: String? = nil
    ) -> RegisterBrokerRequestHeader {
        RegisterBrokerRequestHeader(
            brokerName: name, brokerAddress: address, clusterName: cluster, haServerAddress: ha, brokerID: id)
    }

    private func table(_ topics: [String], queues: Int32 = 4, counter: Int64 = 1) -> TopicConfigTable {
        TopicConfigTable(
            topics: Dictionary(
                uniqueKeysWithValues: topics.map {
                    ($0, TopicConfig(name: $0, readQueueNums: queues, writeQueueNums: queues))
                }), dataVersion: DataVersion(timestamp: 1, counter: counter))
    }

    /// Two masters, one slave of the first.
    private func cluster() throws -> RouteTable {
        var routes = RouteTable()
        _ = try routes.register(
            header("a", address: "m1:1", ha: "m1:2"), table: table(["t", "only-a"]), connection: 1, now: start)
        _ = try routes.register(header("a", id: 1, address: "s1:1"), table: table([]), connection: 2, now: start)
        _ = try routes.register(header("b", address: "m2:1"), table: table(["t"], queues: 8), connection: 3, now: start)
        return routes
    }

    @Test func routesNameQueuesAndBrokers() throws {
        let route = try #require(try cluster().route(of: "t"))
        #expect(route.queueDatas.map(\.brokerName) == ["a", "b"])
        #expect(route.queueDatas.map(\.writeQueueNums) == [4, 8])
        #expect(route.brokerDatas.map(\.addresses) == [[0: "m1:1", 1: "s1:1"], [0: "m2:1"]])
        #expect(try cluster().route(of: "unknown") == nil)
        #expect(try cluster().topicNames == ["only-a", "t"])
        #expect(try cluster().clusterInfo.clusters == ["c1": ["a", "b"]])
    }

    @Test func slavesAreToldTheirMaster() throws {
        var routes = try cluster()
        let slave = try routes.register(
            header("a", id: 1, address: "s1:1"), table: table([]), connection: 2, now: start)
        #expect(slave == .init(masterAddress: "m1:1", haServerAddress: "m1:2", isNew: false))
        let master = try routes.register(header("a", address: "m1:1"), table: table(["t"]), connection: 1, now: start)
        #expect(master == .init(masterAddress: nil, haServerAddress: nil, isNew: false))
        let lonely = try routes.register(
            header("x", id: 1, address: "s9:1"), table: table([]), connection: 9, now: start)
        #expect(lonely == .init(masterAddress: nil, haServerAddress: nil, isNew: true))
    }

    @Test func slavesBringNoTopics() throws {
        var routes = RouteTable()
        _ = try routes.register(header("a", id: 1, address: "s1:1"), table: table(["t"]), connection: 1, now: start)
        #expect(routes.route(of: "t") == nil)
    }

    @Test func anUnchangedBrokerBelongsToTheConnectionThatItAskedThrough() throws {
        var routes = try cluster()
        _ = routes.query(DataVersion(timestamp: 1, counter: 1), of: "m1:1", connection: 11, now: start)
        #expect(routes.connectionClosed(1).isEmpty)
        #expect(routes.connectionClosed(11).map(\.brokerAddress) == ["m1:1"])
    }

    @Test func silenceLongerThanTheExpiryDropsABroker() throws {
        var routes = try cluster()
        let later = start.advanced(by: .seconds(60))
        _ = try routes.register(header("b", address: "m2:1"), table: table(["t"], queues: 8), connection: 3, now: later)
        #expect(routes.expire(after: .seconds(120), now: start.advanced(by: .seconds(120))).isEmpty)
        let gone = routes.expire(after: .seconds(120), now: start.advanced(by: .seconds(121)))
        #expect(gone.map(\.brokerAddress) == ["m1:1", "s1:1"])
        #expect(gone.map(\.connection) == [1, 2])
        #expect(routes.route(of: "only-a") == nil)
        #expect(routes.route(of: "t")?.brokerDatas.map(\.brokerName) == ["b"])
        #expect(routes.clusterInfo.clusters == ["c1": ["b"]])
        #expect(routes.expire(after: .seconds(120), now: start.advanced(by: .seconds(121))).isEmpty)
    }

    @Test func aClosedConnectionDropsItsBrokerOnly() throws {
        var routes = try cluster()
        #expect(routes.connectionClosed(1).map(\.brokerAddress) == ["m1:1"])
        // The slave keeps the set and its topics alive, without a master.
        #expect(routes.route(of: "only-a")?.brokerDatas.first?.addresses == [1: "s1:1"])
        #expect(routes.connectionClosed(2).count == 1)
        #expect(routes.route(of: "only-a") == nil)
        #expect(routes.connectionClosed(77).isEmpty)
    }

    @Test func aBrokerThatReconnectedOutlivesItsOldConnection() throws {
        var routes = try cluster()
        _ = try routes.register(
            header("b", address: "m2:1"), table: table(["t"], queues: 8), connection: 30, now: start)
        #expect(routes.connectionClosed(3).isEmpty)
        #expect(routes.route(of: "t")?.brokerDatas.count == 2)
    }

    @Test func goodbyeRemovesAtOnce() throws {
        var routes = try cluster()
        _ = routes.unregister(
            UnregisterBrokerRequestHeader(brokerName: "b", brokerAddress: "m2:1", clusterName: "c1", brokerID: 0))
        #expect(routes.clusterInfo.brokers.keys.sorted() == ["a"])
        #expect(routes.connectionClosed(3).isEmpty)
    }

    @Test func anAddressHasOneIdInItsSet() throws {
        var routes = try cluster()
        // The slave has become master: its old id must not be listed as well.
        _ = try routes.register(header("a", address: "s1:1"), table: table(["t"]), connection: 2, now: start)
        #expect(routes.clusterInfo.brokers["a"]?.addresses == [0: "s1:1"])
    }

    @Test func topicsAreTakenWhenTheirVersionChangedAndOnlyThen() throws {
        var routes = try cluster()
        #expect(routes.setWritable(false, brokerName: "a") == 2)
        #expect(routes.route(of: "only-a")?.queueDatas.first?.permission == .read)
        _ = try routes.register(header("a", address: "m1:1"), table: table(["t", "only-a"]), connection: 1, now: start)
        #expect(routes.route(of: "only-a")?.queueDatas.first?.permission == .read)
        _ = try routes.register(
            header("a", address: "m1:1"), table: table(["t", "only-a"], counter: 2), connection: 1, now: start)
        #expect(routes.route(of: "only-a")?.queueDatas.first?.permission == .readWrite)
        #expect(routes.setWritable(false, brokerName: "nobody") == 0)
    }

    @Test func versionsAreComparedAndCountAsASignOfLife() throws {
        var routes = try cluster()
        let later = start.advanced(by: .seconds(100))
        #expect(!routes.query(DataVersion(timestamp: 1, counter: 1), of: "m1:1", connection: 1, now: later).isChanged)
        #expect(routes.query(DataVersion(timestamp: 1, counter: 2), of: "m1:1", connection: 1, now: later).isChanged)
        #expect(routes.query(DataVersion(), of: "stranger:1", connection: 1, now: later).isChanged)
        let gone = routes.expire(after: .seconds(120), now: start.advanced(by: .seconds(121)))
        #expect(gone.map(\.brokerAddress) == ["m2:1", "s1:1"])
    }

    /// Another address took the broker's name and id, and went: the first one must register again, unchanged or not.
    @Test func aBrokerThatIsNotListedAnyMoreIsChanged() throws {
        var routes = try cluster()
        _ = try routes.register(header("a", address: "m9:9"), table: table(["t"]), connection: 9, now: start)
        _ = routes.unregister(
            UnregisterBrokerRequestHeader(brokerName: "a", brokerAddress: "m9:9", clusterName: "c", brokerID: 0))
        #expect(routes.query(DataVersion(timestamp: 1, counter: 1), of: "m1:1", connection: 1, now: start).isChanged)
    }

    @Test func topicsAreDeletedByClusterOrEverywhere() throws {
        var routes = try cluster()
        _ = try routes.register(
            header("z", address: "m9:1", cluster: "c2"), table: table(["t"]), connection: 9, now: start)
        routes.deleteTopic("t", cluster: "c1")
        #expect(routes.route(of: "t")?.queueDatas.map(\.brokerName) == ["z"])
        #expect(routes.topicNames(inCluster: "c1") == ["only-a"])
        routes.deleteTopic("t", cluster: nil)
        #expect(routes.route(of: "t") == nil)
    }

    // MARK: What can be invented

    /// One that registers under ever new names is listed under its last one only: nobody would ever take the others out.
    @Test func anAddressIsInOneSetAndASetInOneCluster() throws {
        var routes = try cluster()
        _ = try routes.register(header("x", address: "m2:1"), table: table(["x"]), connection: 3, now: start)
        #expect(routes.clusterInfo.brokers.keys.sorted() == ["a", "x"])
        #expect(routes.route(of: "t")?.brokerDatas.map(\.brokerName) == ["a"])
        _ = try routes.register(
            header("x", address: "m2:1", cluster: "c9"), table: table(["x"]), connection: 3, now: start)
        #expect(routes.clusterInfo.clusters == ["c1": ["a"], "c9": ["x"]])
        #expect(routes.connectionClosed(3).map(\.brokerName) == ["x"])
        #expect(routes.clusterInfo.brokers.keys.sorted() == ["a"])
    }

    /// A goodbye with another name took the address from those that are watched, and left it in its set for ever.
    @Test func aGoodbyeInAnotherNameIsNone() throws {
        var routes = try cluster()
        let wrong = UnregisterBrokerRequestHeader(
            brokerName: "a", brokerAddress: "m2:1", clusterName: "c1", brokerID: 0)
        #expect(routes.unregister(wrong) == nil)
        #expect(routes.clusterInfo.brokers["b"]?.addresses == [0: "m2:1"])
        #expect(routes.expire(after: .seconds(1), now: start.advanced(by: .seconds(2))).count == 3)
        #expect(routes.clusterInfo.brokers.isEmpty && routes.topicNames.isEmpty)
    }

    private func limits(brokers: Int = 4096, tableBytes: Int = 1 << 20) -> RouteLimits {
        var limits = RouteLimits()
        limits.brokers = brokers
        limits.tableBytes = tableBytes
        return limits
    }

    @Test func brokersAreBounded() throws {
        var routes = RouteTable(limits: limits(brokers: 2))
        for name in ["a", "b"] {
            _ = try routes.register(header(name, address: "\(name):1"), table: table(["t"]), connection: 1, now: start)
        }
        let refusal = #expect(throws: RouteLimits.Refusal.self) {
            try routes.register(header("c", address: "c:1"), table: table(["t"]), connection: 1, now: start)
        }
        #expect(refusal?.description == "the nameserver is full: it knows 2 brokers")
        // Those that are known go on, under another name too, and make room by going.
        _ = try routes.register(header("b2", address: "b:1"), table: table(["t"]), connection: 2, now: start)
        #expect(routes.connectionClosed(2).count == 1)
        _ = try routes.register(header("c", address: "c:1"), table: table(["t"]), connection: 1, now: start)
    }

    @Test func topicsAreBounded() throws {
        let names = (0..<10).map { "topic-\($0)" }
        var routes = RouteTable(limits: limits(tableBytes: 10 * (7 + 128)))
        _ = try routes.register(header("a", address: "a:1"), table: table(names), connection: 1, now: start)
        let later = start.advanced(by: .seconds(100))
        for (name, address, topics) in [("a", "a:1", ["one more"]), ("b", "b:1", ["t"])] {
            let refusal = #expect(throws: RouteLimits.Refusal.self) {
                try routes.register(
                    header(name, address: address), table: table(topics, counter: 2), connection: 1, now: later)
            }
            #expect(refusal?.description.contains("its topics take 1350 of 1350 bytes") == true)
        }
        #expect(routes.topicNames == names && routes.clusterInfo.brokers.count == 1)
        // A heartbeat that is refused is one all the same.
        #expect(routes.expire(after: .seconds(50), now: later).isEmpty)
        // What goes gives its room back.
        routes.deleteTopic("topic-3", cluster: nil)
        _ = try routes.register(header("b", address: "b:1"), table: table(["t"]), connection: 2, now: later)
        #expect(routes.connectionClosed(1).count == 1)
        _ = try routes.register(
            header("c", address: "c:1"), table: table(Array(names[1...])), connection: 3, now: later)
    }

    @Test func namesAreBounded() throws {
        var routes = RouteTable()
        let long = String(repeating: "n", count: 513)
        let cases: [(RegisterBrokerRequestHeader, [String], String)] = [
            (header(long, address: "a:1"), [], "brokerName has 513 bytes"),
            (header("", address: "a:1"), [], "brokerName is empty"),
            (header("a", address: long), [], "brokerAddr has 513 bytes"),
            (header("a", address: "a:1", cluster: long), [], "clusterName has 513 bytes"),
            (header("a", address: "a:1", ha: long), [], "haServerAddr has 513 bytes"),
            (header("a", address: "a:1"), [long], "topicName has 513 bytes"),
        ]
        for (header, topics, reason) in cases {
            let refusal = #expect(throws: RouteLimits.Refusal.self) {
                try routes.register(header, table: table(topics), connection: 1, now: start)
            }
            #expect(refusal?.description.contains(reason) == true, "\(refusal?.description ?? "")")
        }
        #expect(routes.clusterInfo.brokers.isEmpty)
    }

    /// Topic by topic, looking for a broker's among all of them, took seconds; by sets it is a matter of milliseconds.
    @Test(.timeLimit(.minutes(1))) func aBrokerWithAHundredThousandTopicsGoesAtOnce() throws {
        let names = (0..<100_000).map { "a topic with a long name, number \($0)" }
        let topics = table(names, counter: 1)
        var routes = RouteTable()
        for number in 0..<8 {
            _ = try routes.register(
                header("b\(number)", address: "h:\(number)"), table: topics, connection: UInt64(number), now: start)
        }
        for number in 0..<8 {
            let clock = ContinuousClock()
            let time = clock.measure { #expect(routes.connectionClosed(UInt64(number)).count == 1) }
            // Generous: this is an unoptimised build on a busy machine.
            #expect(time < .milliseconds(500), "\(time)")
        }
        #expect(routes.topicNames.isEmpty)
    }
}
