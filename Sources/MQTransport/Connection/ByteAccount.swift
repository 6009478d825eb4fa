import Synchronization

/// What one connection holds of its server's budget.
final class ByteAccount: Sendable {
    private let budget: ByteBudget
    private let own = Atomic(0)

    init(budget: ByteBudget) {
        self.budget = budget
        budget.opened()
    }

    /// Takes bytes, or gives them back; from any thread.
    func change(by bytes: Int, of connection: UInt64) {
        let now = own.wrappingAdd(bytes, ordering: .acquiringAndReleasing).newValue
        budget.change(by: bytes)
        if bytes < 0 { budget.shrank(connection, ownBytes: now) }
    }

    func mayRead(_ connection: RemotingConnection) -> Bool {
        budget.mayRead(connection, ownBytes: own.load(ordering: .acquiring))
    }

    /// Whether so many bytes more may be held for the peer without its asking; small ones always.
    func hasRoom(for bytes: Int) -> Bool {
        bytes <= Self.smallBytes || budget.hasRoom(ownBytes: own.load(ordering: .acquiring))
    }

    /// A notice without a body: there is a limit to their number already.
    private static let smallBytes = 4096

    /// The connection has ended. Requests that are still in the making give their bytes back themselves.
    func close(_ connection: UInt64, formingBytes: Int) {
        own.wrappingSubtract(formingBytes, ordering: .acquiringAndReleasing)
        budget.closed(connection, ownBytes: formingBytes)
    }
}
