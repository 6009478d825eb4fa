import MQStore
import MQWire
import Testing

@testable import MQBroker

/// What the end of a connection costs: what it had, and not what all others have. The time limits are for walks through
/// everything, which take minutes here.
@Suite struct ClosingTests {
    private static let connections: ClosedRange<UInt64> = 1...20_000

    private func heartbeat(_ client: String, consumers: [String], producers: [String] = []) -> HeartbeatData {
        HeartbeatData(
            clientID: client, producerGroups: producers, consumers: consumers.map { ConsumerData(groupName: $0) })
    }

    @Test(.timeLimit(.minutes(1))) func aMemberLeavesItsOwnGroupsAlone() {
        var table = ClientTable()
        for connection in Self.connections {
            let group = "g\(connection % 2000)"
            _ = table.heartbeat(
                heartbeat("c\(connection)", consumers: [group], producers: ["p\(connection % 2000)"]),
                connection: connection, nowMilliseconds: 0)
        }
        #expect(table.memberships == 40_000 && table.producerConnection(of: "c7") == 7)
        var told = 0
        for connection in Self.connections where table.connectionClosed(connection) == ["g\(connection % 2000)"] {
            told += 1
        }
        #expect(told == Self.connections.count && table.memberships == 0)
        #expect(table.consumers.isEmpty && table.producers.isEmpty && table.producerConnection(of: "c7") == nil)
    }

    @Test(.timeLimit(.minutes(1))) func aPullThatNobodyWaitsForGoesAlone() {
        var pulls = HeldPulls<UInt64>()
        for connection in Self.connections {
            let isHeld = pulls.hold(
                .init(
                    request: connection, connection: connection, offset: 0, filter: .tags(TagFilter(expression: "*")),
                    deadline: Int64(connection)),
                on: QueueKey(topic: "t", queueID: Int32(connection % 2000)))
            #expect(isHeld)
        }
        var taken = 0
        for connection in Self.connections where pulls.connectionClosed(connection).map(\.request) == [connection] {
            taken += 1
        }
        #expect(taken == Self.connections.count && pulls.count == 0)
        #expect(pulls.expire(nowMilliseconds: .max / 2).isEmpty)
    }

    @Test func oneConnectionIsInSoManyGroups() {
        var table = ClientTable()
        let many = (0..<ClientTable.groupLimit).map { "g\($0)" }
        #expect(table.objection(to: heartbeat("c", consumers: many, producers: many), connection: 1) == nil)
        _ = table.heartbeat(heartbeat("c", consumers: many), connection: 1, nowMilliseconds: 0)
        // With other heartbeats, too; the same groups again are no more than before.
        #expect(table.objection(to: heartbeat("c", consumers: many), connection: 1) == nil)
        #expect(
            table.objection(to: heartbeat("c", consumers: ["more"]), connection: 1)
                == "a client of 1025 groups (at most 1024)")
        #expect(table.objection(to: heartbeat("c", consumers: ["more"]), connection: 2) == nil)
    }

    @Test func aClientThatSaysGoodbyeIsForgotten() {
        var table = ClientTable()
        let data = heartbeat("c", consumers: ["G"], producers: ["P"])
        _ = table.heartbeat(data, connection: 1, nowMilliseconds: 0)
        #expect(table.connection(of: "c", in: "G") == 1)
        #expect(table.unregister(clientID: "c", producerGroup: "P", consumerGroup: nil) == [])
        #expect(table.producerConnection(of: "c") == nil && table.connection(of: "c", in: "G") == 1)
        #expect(table.unregister(clientID: "c", producerGroup: nil, consumerGroup: "G") == ["G"])
        #expect(table.unregister(clientID: "c", producerGroup: nil, consumerGroup: "G") == [])
        #expect(table.memberships == 0 && table.connectionClosed(1) == [])
    }
}
