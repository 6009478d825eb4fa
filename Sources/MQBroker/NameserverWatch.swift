import MQTransport
import NIOCore
import Synchronization

/// Notices that a lost nameserver is back, so that the broker tells it of its topics at once and not at its next period.
///
/// A nameserver that was started anew knows nobody; for up to 30 s RocketMQ's clients would find no route there.
final class NameserverWatch: Sendable {
    private let client: RemotingClient
    private let group: any EventLoopGroup
    /// Called for each one that is back.
    private let returned: @Sendable () -> Void
    private let state = Mutex(State())

    private struct State {
        /// Those whose end is waited for.
        var watched: Set<String> = []
        /// Those that are lost, and when they are tried next.
        var lost: [String: Scheduled<Void>?] = [:]
        var isStopped = false
    }

    /// Between two attempts to reach one that is lost, and before the first: it may let connections in and drop them.
    static let pause = TimeAmount.seconds(1)

    init(client: RemotingClient, group: any EventLoopGroup, returned: @escaping @Sendable () -> Void) {
        self.client = client
        self.group = group
        self.returned = returned
    }

    /// Watches a nameserver from now on; one that is not connected counts as lost.
    func watch(_ address: String) {
        let isNew = state.withLock { !$0.isStopped && $0.lost[address] == nil && $0.watched.insert(address).inserted }
        guard isNew else { return }
        client.whenLost(address) { [self] in
            state.withLock { _ = $0.watched.remove(address) }
            tryLater(address)
        }
    }

    /// Tries no more.
    func stop() {
        let timers = state.withLock { state in
            state.isStopped = true
            defer { state.lost = [:] }
            return state.lost.values.compactMap { $0 }
        }
        for timer in timers { timer.cancel() }
    }

    private func tryLater(_ address: String) {
        let isWanted = state.withLock { state in
            guard !state.isStopped, state.lost[address] == nil else { return false }
            state.lost[address] = .some(nil)
            return true
        }
        guard isWanted else { return }
        schedule(address)
    }

    private func schedule(_ address: String) {
        let timer = group.next().scheduleTask(in: Self.pause) { [self] in
            client.connection(to: address).whenComplete { [self] result in
                switch result {
                case .success:
                    let isWanted = state.withLock { $0.lost.removeValue(forKey: address) != nil && !$0.isStopped }
                    if isWanted { returned() }
                case .failure: schedule(address)
                }
            }
        }
        let isStopped = state.withLock { state in
            if !state.isStopped { state.lost[address] = timer }
            return state.isStopped
        }
        if isStopped { timer.cancel() }
    }
}
