import MQStore
import MQTransport
import MQWire
import NIOCore
import Synchronization
import Testing

@testable import MQBroker

/// A copy of another broker's tables, whose answers may come when this broker is the master by then.
@Suite struct TableCopyTests {
    private static let queue = QueueKey(topic: "T", queueID: 0)

    private static func offset(_ context: BrokerContext) -> Int64? {
        context.offsets.withLock { $0.offset(group: "G", queue: queue) }
    }

    /// From one broker to another: permitted, the offset is the other's; refused in the middle, it stays, and so does what comes after.
    @Test(arguments: [nil, 0, 1, 2]) func whatComesTooLateChangesNothing(_ permitted: Int?) async throws {
        try await TestBroker.run { master in
            try await TestBroker.run { other in
                let (from, to) = (try #require(master.broker.opened), try #require(other.broker.opened))
                from.offsets.withLock { $0.commit(group: "G", queue: Self.queue, offset: 5) }
                to.offsets.withLock { $0.commit(group: "G", queue: Self.queue, offset: 9) }
                let copy = TableCopy(context: to, delays: try DelaySchedule(context: to), client: master.client)
                let asked = Mutex(0)
                await copy.refresh(from: master.address) { change in
                    let place = asked.withLock { count in
                        defer { count += 1 }
                        return count
                    }
                    if let permitted, place >= permitted { throw TableCopy.Outdated() }
                    try change()
                }
                // Topics come first, then offsets.
                #expect(Self.offset(to) == (permitted.map { $0 < 2 } ?? false ? 9 : 5))
                #expect(asked.withLock { $0 } == permitted.map { $0 + 1 } ?? 4)
            }
        }
    }
}
