public import LabAgent

/// When something happened on a host, on the run's one clock, and by how much that may be off.
public struct HostTime: Sendable, Equatable {
    /// Nanoseconds since the run began.
    public var nanoseconds: Int64
    public var errorNanoseconds: Int64

    public init(nanoseconds: Int64, errorNanoseconds: Int64) {
        self.nanoseconds = nanoseconds
        self.errorNanoseconds = errorNanoseconds
    }

    /// Converts a reading of a host's clock.
    ///
    /// - Parameters:
    ///   - calibration: how that clock stands to the run's.
    ///   - known: when the controller got to know of it. Nothing is known before it happens, so that bounds the result,
    ///     whatever the calibration says; the run's beginning does on the other side.
    public init(host: Int64, _ calibration: ClockCalibration, notAfter known: Int64) {
        nanoseconds = max(0, min(known, host - calibration.offsetNanoseconds))
        errorNanoseconds = calibration.errorNanoseconds
    }
}
