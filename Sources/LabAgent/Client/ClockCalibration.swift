/// How a host's realtime clock stands to the controller's, from samples over the agent's channel.
public struct ClockCalibration: Codable, Sendable, Equatable {
    /// Host minus controller, in nanoseconds: subtract it from a host's time to get the controller's.
    public var offsetNanoseconds: Int64
    /// The offset is off by no more than this: half the round trip of the best sample.
    public var errorNanoseconds: Int64

    /// A calibration with known bounds.
    public init(offsetNanoseconds: Int64, errorNanoseconds: Int64) {
        self.offsetNanoseconds = offsetNanoseconds
        self.errorNanoseconds = errorNanoseconds
    }

    /// One exchange: the controller's clock before and after, the host's in between.
    public struct Sample: Sendable, Equatable {
        var sent: Int64
        var host: Int64
        var received: Int64

        /// Three readings of one exchange, in nanoseconds.
        public init(sent: Int64, host: Int64, received: Int64) {
            self.sent = sent
            self.host = host
            self.received = received
        }
    }

    /// The calibration of the sample with the shortest round trip (Cristian 1989): its bound is the tightest.
    ///
    /// Nil without a sample whose clock ran forwards.
    public init?(samples: [Sample]) {
        let usable = samples.filter { $0.received >= $0.sent }
        guard let best = usable.min(by: { $0.received - $0.sent < $1.received - $1.sent }) else { return nil }
        let trip = best.received - best.sent
        offsetNanoseconds = best.host - (best.sent + trip / 2)
        errorNanoseconds = trip / 2 + 1
    }
}
