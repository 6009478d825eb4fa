import MQReplication
import NIOCore
import Synchronization

/// Where the brokers of a group are, as far as it was heard.
final class GroupDirectory: Sendable {
    /// Where a broker sends its log from, as it said itself.
    struct LogPlace: Sendable, Equatable {
        var address: SocketAddress
        /// The first offset that it has.
        var start: Int64
    }

    private struct State {
        var addresses: [ReplicaID: String] = [:]
        var numbers: [String: ReplicaID] = [:]
        var places: [ReplicaID: LogPlace] = [:]
    }

    private let state = Mutex(State())

    /// Stands for a master that nobody has heard of by its number: it does not answer.
    static let unknown = ReplicaID(0)

    /// A broker's main address, `host:port`.
    func address(of id: ReplicaID) -> String? { state.withLock { $0.addresses[id] } }

    /// The number of the broker at an address.
    func number(at address: String) -> ReplicaID? { state.withLock { $0.numbers[address] } }

    /// Where a broker sends its log from.
    func place(of id: ReplicaID) -> LogPlace? { state.withLock { $0.places[id] } }

    func note(_ id: ReplicaID, at address: String) {
        state.withLock { state in
            // Another broker may have been there before.
            if let old = state.numbers[address], old != id, state.addresses[old] == address {
                state.addresses[old] = nil
            }
            state.addresses[id] = address
            if id != Self.unknown { state.numbers[address] = id }
        }
    }

    func note(_ id: ReplicaID, place: LogPlace) { state.withLock { $0.places[id] = place } }
}
