import MQWire
import NIOCore
import NIOEmbedded
import Testing

@testable import MQTransport

@Suite struct PendingRequestsTests {
    private let loop = EmbeddedEventLoop()

    private func entry(deadline: UInt64) -> PendingRequests.Entry {
        PendingRequests.Entry(
            request: .pullMessage, timeout: .seconds(1), deadline: .uptimeNanoseconds(deadline),
            start: .uptimeNanoseconds(0),
            promise: loop.makePromise())
    }

    @Test func deadlinesAreMetInOrder() {
        var pending = PendingRequests()
        #expect(pending.nextDeadline == nil)
        for (opaque, deadline) in [(1, 30), (2, 10), (3, 20)] as [(Int32, UInt64)] {
            pending.insert(entry(deadline: deadline), opaque: opaque)
        }
        #expect(pending.nextDeadline == .uptimeNanoseconds(10))
        #expect(pending.expire(now: .uptimeNanoseconds(9)).isEmpty)
        let due = pending.expire(now: .uptimeNanoseconds(20))
        #expect(due.count == 2)
        #expect(pending.count == 1)
        let last = pending.take(opaque: 1)
        #expect(last != nil)
        #expect(pending.take(opaque: 1) == nil)
        for entry in due { entry.promise.fail(CancellationError()) }
        last?.promise.fail(CancellationError())
    }

    @Test func drainTakesAll() {
        var pending = PendingRequests()
        pending.insert(entry(deadline: 1), opaque: 1)
        let all = pending.drain()
        #expect(all.count == 1)
        #expect(pending.count == 0)
        for entry in all { entry.promise.fail(CancellationError()) }
    }
}
