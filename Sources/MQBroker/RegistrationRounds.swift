import NIOCore
import Synchronization

/// Registers in rounds that never overlap: at the period, and when topics changed.
///
/// Whoever made a topic waits for the round that tells of it, as in RocketMQ: the client that gets the answer asks a
/// nameserver for the route next. A nameserver that is down must not hold answers up, hence ``patience``.
final class RegistrationRounds: Sendable {
    private let group: any EventLoopGroup
    private let register: @Sendable () async -> Void
    private let waiting = Mutex<[Waiter]>([])
    private let changes: AsyncStream<Void>
    private let changed: AsyncStream<Void>.Continuation
    private let running = Mutex<(loop: Task<Void, Never>, ticker: RepeatedTask)?>(nil)

    /// How long an answer waits for its topic's registration at most.
    static let patience = TimeAmount.seconds(1)

    /// Rounds of `register`; nothing happens before ``start(period:)``.
    init(group: any EventLoopGroup, register: @escaping @Sendable () async -> Void) {
        self.group = group
        self.register = register
        (changes, changed) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Registers now and at each period.
    func start(period: TimeAmount) {
        let loop = Task { [self] in
            for await _ in changes {
                let waiters = waiting.withLock { waiting in
                    defer { waiting = [] }
                    return waiting
                }
                await register()
                for waiter in waiters { waiter.fire() }
            }
        }
        let ticker = group.next().scheduleRepeatedTask(initialDelay: .zero, delay: period) { [changed] _ in
            changed.yield()
        }
        running.withLock { $0 = (loop, ticker) }
    }

    /// Asks for a round; `then` runs once, after it or when patience ends.
    func request(then: @escaping @Sendable () -> Void) {
        let waiter = Waiter(then)
        waiting.withLock { $0.append(waiter) }
        _ = group.next().scheduleTask(in: Self.patience) { waiter.fire() }
        changed.yield()
    }

    /// Begins no more rounds; who waits is let go.
    func stop() {
        let stopped = running.withLock { running in
            defer { running = nil }
            return running
        }
        stopped?.ticker.cancel()
        changed.finish()
        stopped?.loop.cancel()
        for waiter in waiting.withLock({ $0 }) { waiter.fire() }
    }

    /// Runs its action once, whoever comes first.
    private final class Waiter: Sendable {
        private let hasFired = Atomic(false)
        private let action: @Sendable () -> Void

        init(_ action: @escaping @Sendable () -> Void) { self.action = action }

        func fire() {
            if !hasFired.exchange(true, ordering: .acquiringAndReleasing) { action() }
        }
    }
}
