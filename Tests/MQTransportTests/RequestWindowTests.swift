import Dispatch
import Synchronization
import Testing

@testable import MQTransport

@Suite struct RequestWindowTests {
    @Test func whoeverLeavesTheLimitWakesTheReader() {
        let window = RequestWindow(limit: 3)
        for _ in 0..<5 { window.begin() }
        #expect(!window.isOpen && window.count == 5)
        // 5 → 4 → 3 → 2: reading may go on below the limit only, and it is told once.
        #expect([window.end(), window.end(), window.end()].map(\.mustWakeReader) == [false, false, true])
        #expect(window.isOpen)
        #expect([window.end(), window.end()].map(\.mustWakeReader) == [false, false])
    }

    /// As often as the window closes a reader may sleep, and as often it must be woken. Whoever ended a request and
    /// then looked at the count a second time would see others' endings, and nobody would wake.
    @Test func underContentionEveryClosingIsFollowedByOneWaking() {
        let window = RequestWindow(limit: 1)
        let closings = Atomic(0)
        let wakings = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: 3) { _ in
            for _ in 0..<300_000 {
                if window.begin() { closings.wrappingAdd(1, ordering: .relaxed) }
                if window.end().mustWakeReader { wakings.wrappingAdd(1, ordering: .relaxed) }
            }
        }
        #expect(closings.load(ordering: .relaxed) == wakings.load(ordering: .relaxed))
        #expect(closings.load(ordering: .relaxed) > 0)
    }

    @Test func theLastOneOfADrainedConnectionTells() {
        let window = RequestWindow(limit: 10)
        window.begin()
        #expect(!window.end().isDrained)
        window.begin()
        window.begin()
        #expect(!window.drain())
        #expect(window.count == 2 && window.isOpen)
        #expect([window.end(), window.end()].map(\.isDrained) == [false, true])
        // What comes after is told again.
        window.begin()
        #expect(window.end().isDrained)
        #expect(RequestWindow(limit: 1).drain())
    }
}
