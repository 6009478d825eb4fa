/// How long sending failed because of one fault, as the producers saw it.
public struct Outage: Sendable, Equatable {
    public var faultUID: String
    /// The first failed attempt after the fault became active; nil when none failed.
    public var firstFailureNanoseconds: Int64?
    /// The first success after that failure; nil when sending never worked again.
    public var firstSuccessNanoseconds: Int64?
    /// One-second windows from the fault's edge to the last attempt, and those of them with a success.
    public var windows: Int
    public var windowsWithSuccess: Int

    public init(
        faultUID: String, firstFailureNanoseconds: Int64?, firstSuccessNanoseconds: Int64?, windows: Int,
        windowsWithSuccess: Int
    ) {
        self.faultUID = faultUID
        self.firstFailureNanoseconds = firstFailureNanoseconds
        self.firstSuccessNanoseconds = firstSuccessNanoseconds
        self.windows = windows
        self.windowsWithSuccess = windowsWithSuccess
    }

    /// Its length; 0 when nothing failed, nil when it did not end.
    public var nanoseconds: Int64? {
        guard let from = firstFailureNanoseconds else { return 0 }
        return firstSuccessNanoseconds.map { $0 - from }
    }
}
