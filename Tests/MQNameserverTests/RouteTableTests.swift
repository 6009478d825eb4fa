import MQWire
import Testing

@testable import MQNameserver

@Suite struct RouteTableTests {
    /// The nameserver began anew while the master was gone: it has heard of the slave, whose topics do not count. When
    /// the slave takes over, with the version that it had, its topics must become known.
    @Test func aSlaveThatBecomesMasterBringsItsTopics() {
        var table = RouteTable()
        let topics = TopicConfigTable(topics: ["t": TopicConfig(name: "t")], dataVersion: DataVersion(counter: 3))
        func register(_ id: Int64, _ address: String) {
            _ = table.register(
                RegisterBrokerRequestHeader(
                    brokerName: "a", brokerAddress: address, clusterName: "c", haServerAddress: nil, brokerID: id),
                table: topics, connection: 1, now: .now)
        }
        register(1, "h:2")
        #expect(table.route(of: "t") == nil)
        register(0, "h:2")
        #expect(table.route(of: "t")?.brokerDatas.first?.addresses == [0: "h:2"])
        // The old master comes back as a slave; nothing else changes.
        register(1, "h:1")
        #expect(table.route(of: "t")?.brokerDatas.first?.addresses == [0: "h:2", 1: "h:1"])
        // And takes over again, at its address.
        register(0, "h:1")
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
    private func cluster() -> RouteTable {
        var routes = RouteTable()
        _ = routes.register(
            header("a", address: "m1:1", ha: "m1:2"), table: table(["t", "only-a"]), connection: 1, now: start)
        _ = routes.register(header("a", id: 1, address: "s1:1"), table: table([]), connection: 2, now: start)
        _ = routes.register(header("b", address: "m2:1"), table: table(["t"], queues: 8), connection: 3, now: start)
        return routes
    }

    @Test func routesNameQueuesAndBrokers() throws {
        let route = try #require(cluster().route(of: "t"))
        #expect(route.queueDatas.map(\.brokerName) == ["a", "b"])
        #expect(route.queueDatas.map(\.writeQueueNums) == [4, 8])
        #expect(route.brokerDatas.map(\.addresses) == [[0: "m1:1", 1: "s1:1"], [0: "m2:1"]])
        #expect(cluster().route(of: "unknown") == nil)
        #expect(cluster().topicNames == ["only-a", "t"])
        #expect(cluster().clusterInfo.clusters == ["c1": ["a", "b"]])
    }

    @Test func slavesAreToldTheirMaster() {
        var routes = cluster()
        let slave = routes.register(header("a", id: 1, address: "s1:1"), table: table([]), connection: 2, now: start)
        #expect(slave == .init(masterAddress: "m1:1", haServerAddress: "m1:2", isNew: false))
        let master = routes.register(header("a", address: "m1:1"), table: table(["t"]), connection: 1, now: start)
        #expect(master == .init(masterAddress: nil, haServerAddress: nil, isNew: false))
        let lonely = routes.register(header("x", id: 1, address: "s9:1"), table: table([]), connection: 9, now: start)
        #expect(lonely == .init(masterAddress: nil, haServerAddress: nil, isNew: true))
    }

    @Test func slavesBringNoTopics() {
        var routes = RouteTable()
        _ = routes.register(header("a", id: 1, address: "s1:1"), table: table(["t"]), connection: 1, now: start)
        #expect(routes.route(of: "t") == nil)
    }

    @Test func anUnchangedBrokerBelongsToTheConnectionThatItAskedThrough() {
        var routes = cluster()
        _ = routes.query(DataVersion(timestamp: 1, counter: 1), of: "m1:1", connection: 11, now: start)
        #expect(routes.connectionClosed(1).isEmpty)
        #expect(routes.connectionClosed(11).map(\.brokerAddress) == ["m1:1"])
    }

    @Test func silenceLongerThanTheExpiryDropsABroker() {
        var routes = cluster()
        let later = start.advanced(by: .seconds(60))
        _ = routes.register(header("b", address: "m2:1"), table: table(["t"], queues: 8), connection: 3, now: later)
        #expect(routes.expire(after: .seconds(120), now: start.advanced(by: .seconds(120))).isEmpty)
        let gone = routes.expire(after: .seconds(120), now: start.advanced(by: .seconds(121)))
        #expect(gone.map(\.brokerAddress) == ["m1:1", "s1:1"])
        #expect(gone.map(\.connection) == [1, 2])
        #expect(routes.route(of: "only-a") == nil)
        #expect(routes.route(of: "t")?.brokerDatas.map(\.brokerName) == ["b"])
        #expect(routes.clusterInfo.clusters == ["c1": ["b"]])
        #expect(routes.expire(after: .seconds(120), now: start.advanced(by: .seconds(121))).isEmpty)
    }

    @Test func aClosedConnectionDropsItsBrokerOnly() {
        var routes = cluster()
        #expect(routes.connectionClosed(1).map(\.brokerAddress) == ["m1:1"])
        // The slave keeps the set and its topics alive, without a master.
        #expect(routes.route(of: "only-a")?.brokerDatas.first?.addresses == [1: "s1:1"])
        #expect(routes.connectionClosed(2).count == 1)
        #expect(routes.route(of: "only-a") == nil)
        #expect(routes.connectionClosed(77).isEmpty)
    }

    @Test func aBrokerThatReconnectedOutlivesItsOldConnection() {
        var routes = cluster()
        _ = routes.register(header("b", address: "m2:1"), table: table(["t"], queues: 8), connection: 30, now: start)
        #expect(routes.connectionClosed(3).isEmpty)
        #expect(routes.route(of: "t")?.brokerDatas.count == 2)
    }

    @Test func goodbyeRemovesAtOnce() {
        var routes = cluster()
        routes.unregister(
            UnregisterBrokerRequestHeader(brokerName: "b", brokerAddress: "m2:1", clusterName: "c1", brokerID: 0))
        #expect(routes.clusterInfo.brokers.keys.sorted() == ["a"])
        #expect(routes.connectionClosed(3).isEmpty)
    }

    @Test func anAddressHasOneIdInItsSet() {
        var routes = cluster()
        // The slave has become master: its old id must not be listed as well.
        _ = routes.register(header("a", address: "s1:1"), table: table(["t"]), connection: 2, now: start)
        #expect(routes.clusterInfo.brokers["a"]?.addresses == [0: "s1:1"])
    }

    @Test func topicsAreTakenWhenTheirVersionChangedAndOnlyThen() {
        var routes = cluster()
        #expect(routes.setWritable(false, brokerName: "a") == 2)
        #expect(routes.route(of: "only-a")?.queueDatas.first?.permission == .read)
        _ = routes.register(header("a", address: "m1:1"), table: table(["t", "only-a"]), connection: 1, now: start)
        #expect(routes.route(of: "only-a")?.queueDatas.first?.permission == .read)
        _ = routes.register(
            header("a", address: "m1:1"), table: table(["t", "only-a"], counter: 2), connection: 1, now: start)
        #expect(routes.route(of: "only-a")?.queueDatas.first?.permission == .readWrite)
        #expect(routes.setWritable(false, brokerName: "nobody") == 0)
    }

    @Test func versionsAreComparedAndCountAsASignOfLife() {
        var routes = cluster()
        let later = start.advanced(by: .seconds(100))
        #expect(!routes.query(DataVersion(timestamp: 1, counter: 1), of: "m1:1", connection: 1, now: later).isChanged)
        #expect(routes.query(DataVersion(timestamp: 1, counter: 2), of: "m1:1", connection: 1, now: later).isChanged)
        #expect(routes.query(DataVersion(), of: "stranger:1", connection: 1, now: later).isChanged)
        let gone = routes.expire(after: .seconds(120), now: start.advanced(by: .seconds(121)))
        #expect(gone.map(\.brokerAddress) == ["m2:1", "s1:1"])
    }

    /// Another address took the broker's name and id, and went: the first one must register again, unchanged or not.
    @Test func aBrokerThatIsNotListedAnyMoreIsChanged() {
        var routes = cluster()
        _ = routes.register(header("a", address: "m9:9"), table: table(["t"]), connection: 9, now: start)
        routes.unregister(
            UnregisterBrokerRequestHeader(brokerName: "a", brokerAddress: "m9:9", clusterName: "c", brokerID: 0))
        #expect(routes.query(DataVersion(timestamp: 1, counter: 1), of: "m1:1", connection: 1, now: start).isChanged)
    }

    @Test func topicsAreDeletedByClusterOrEverywhere() {
        var routes = cluster()
        _ = routes.register(
            header("z", address: "m9:1", cluster: "c2"), table: table(["t"]), connection: 9, now: start)
        routes.deleteTopic("t", cluster: "c1")
        #expect(routes.route(of: "t")?.queueDatas.map(\.brokerName) == ["z"])
        #expect(routes.topicNames(inCluster: "c1") == ["only-a"])
        routes.deleteTopic("t", cluster: nil)
        #expect(routes.route(of: "t") == nil)
    }
}
