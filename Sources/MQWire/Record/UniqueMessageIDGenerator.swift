import Synchronization

/// Makes the unique ids of one client.
///
/// The counter wraps after 65,536 ids; within one millisecond that is out of any client's reach. The month is the UTC
/// one, so that no time-zone data is needed; readers need only that the number grows within a month.
public final class UniqueMessageIDGenerator: Sendable {
    private let address: [UInt8]
    private let processID: UInt16
    private let loaderHash: UInt32
    private let counter = Atomic<UInt16>(0)

    /// A generator for the client at `address` (4 or 16 bytes) with this process id and loader hash.
    public init(address: [UInt8], processID: Int32, loaderHash: UInt32) {
        self.address = address
        self.processID = UInt16(truncatingIfNeeded: processID)
        self.loaderHash = loaderHash
    }

    /// The next id at this time, given in milliseconds since 1970.
    public func next(nowMilliseconds: Int64) -> UniqueMessageID {
        let count = counter.wrappingAdd(1, ordering: .relaxed).oldValue
        return UniqueMessageID(
            address: address, processID: processID, loaderHash: loaderHash,
            monthMilliseconds: UInt32(truncatingIfNeeded: nowMilliseconds - Self.monthStart(before: nowMilliseconds)),
            counter: count)
    }

    /// When the UTC month of this time began, both in milliseconds since 1970.
    ///
    /// Days to day-of-month after Howard Hinnant's `civil_from_days`.
    static func monthStart(before milliseconds: Int64) -> Int64 {
        let dayMilliseconds: Int64 = 86_400_000
        let days = milliseconds / dayMilliseconds - (milliseconds % dayMilliseconds < 0 ? 1 : 0)
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * month + 2) / 5
        return (days - dayOfMonth) * dayMilliseconds
    }
}
