/// What a lite-pull consumer reads, and how.
public struct LitePullConfiguration: Sendable {
    /// The group.
    public var group: String
    /// Where a group begins that has no offset yet.
    public var startsFrom: ConsumeStart
    /// How the members divide the queues of topics that they subscribe to.
    public var strategy: RebalanceStrategy
    /// Messages asked for at once, and given at once at most.
    public var batch: Int
    /// How long a broker may hold a pull.
    public var hold: Duration
    /// How often offsets are committed; `nil` leaves it to ``LitePullConsumer/commit()`` and
    /// ``LitePullConsumer/commit(through:)``, and then nothing is committed without them.
    public var commitInterval: Duration?
    /// How often the shares are computed, apart from news of the group.
    public var rebalanceInterval: Duration

    /// The defaults, for a group.
    public init(
        group: String, startsFrom: ConsumeStart = .end, strategy: RebalanceStrategy = .average, batch: Int = 32,
        hold: Duration = .seconds(5), commitInterval: Duration? = .seconds(5),
        rebalanceInterval: Duration = .seconds(20)
    ) {
        self.group = group
        self.startsFrom = startsFrom
        self.strategy = strategy
        self.batch = batch
        self.hold = hold
        self.commitInterval = commitInterval
        self.rebalanceInterval = rebalanceInterval
    }

    func validate() throws(MQClientError) {
        guard !group.isEmpty else { throw .invalid(reason: "the group is empty (expected a name)") }
        guard (1...1024).contains(batch) else { throw .invalid(reason: "batch is \(batch) (accepted: 1 to 1024)") }
        guard hold > .zero else {
            throw .invalid(reason: "hold is \(hold) (expected more than 0, or brokers would be asked all the time)")
        }
    }
}
