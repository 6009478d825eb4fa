/// What the cluster under trial promised, as far as it changes how a history is judged.
public struct Promises: Sendable, Equatable {
    /// True where the guarantee permits loss of acknowledged messages: it is then measured, not forbidden, and so
    /// are the offsets that are given out again because of it.
    public var lossAllowed: Bool

    /// How long before its fault a lost message may have been acknowledged; nil for no bound in time.
    public var tailNanoseconds: Int64?

    public init(lossAllowed: Bool, tailNanoseconds: Int64? = nil) {
        self.lossAllowed = lossAllowed
        self.tailNanoseconds = tailNanoseconds
    }
}
