/// How long a sync waits for those whom the last one released. Pure.
///
/// Producers that wait for each answer come back shortly after it. A sync that begins at once meets only those who came
/// during the last one, so that they settle into two halves that take turns, each with half of the disk's worth. Waiting
/// for the others pays when the share that comes is larger than the share of a sync that waiting takes; both are learnt.
struct GroupPatience: Sendable, Equatable {
    /// How many of those who were released came back in time: between 0 and 1.
    private(set) var returning = 1.0
    /// How long waiting took, as a share of a sync.
    private(set) var cost = GroupPatience.longest
    private var roundsSinceTry = 0

    /// The longest wait, as a share of a sync.
    static let longest = 0.5
    /// How much a new observation counts.
    private static let weight = 0.25
    /// After so many syncs without waiting it is tried again: producers come and go.
    static let retryRounds = 64

    /// How long to wait before the next sync, in nanoseconds; 0 for not at all.
    ///
    /// - Parameters:
    ///   - answered: how many the last sync released.
    ///   - waiting: how many wait already; nobody is kept waiting for others when nobody waits.
    ///   - syncNanoseconds: how long the last sync took.
    mutating func patience(answered: Int, waiting: Int, syncNanoseconds: Int64) -> Int64 {
        guard answered > 0, waiting > 0, syncNanoseconds > 0 else { return 0 }
        let gain = returning * Double(answered) / Double(waiting)
        roundsSinceTry += 1
        guard gain > cost || roundsSinceTry > Self.retryRounds else { return 0 }
        roundsSinceTry = 0
        return max(1, Int64(Double(syncNanoseconds) * Self.longest))
    }

    /// What a wait brought.
    mutating func waited(answered: Int, arrived: Int, nanoseconds: Int64, syncNanoseconds: Int64) {
        guard answered > 0, syncNanoseconds > 0 else { return }
        let share = min(1, max(0, Double(arrived) / Double(answered)))
        let spent = Double(nanoseconds) / Double(syncNanoseconds)
        returning += Self.weight * (share - returning)
        cost += Self.weight * (spent - cost)
    }
}
