public import CoreMetrics
import Synchronization

/// A backend of swift-metrics that holds what one daemon measures.
///
/// Given to the makers of series explicitly, so that several daemons of one process keep theirs apart. Asking twice for
/// the same name and dimensions gives the same series. Recorders hold their last value; timers are histograms.
public final class MetricsRegistry: MetricsFactory {
    /// What is measured, as Prometheus sees it.
    enum Series {
        case counter(CounterSeries)
        case gauge(GaugeSeries)
        case histogram(HistogramSeries)
    }

    /// One series' name and dimensions, the latter in the order in which they were given.
    struct Identity: Hashable {
        var label: String
        var dimensions: [Dimension]

        struct Dimension: Hashable {
            var name: String
            var value: String
        }
    }

    private struct State {
        var series: [Identity: Series] = [:]
        /// Measure what is only known by asking, before each reading.
        var samplers: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())

    /// A registry without series.
    public init() {}

    /// Adds work that brings gauges up to date before they are read; it must not block.
    public func addSampler(_ sample: @escaping @Sendable () -> Void) { state.withLock { $0.samplers.append(sample) } }

    /// All series with their values now, in Prometheus' text format.
    public func text() -> String {
        for sample in state.withLock({ $0.samplers }) { sample() }
        return PrometheusText.write(state.withLock { $0.series })
    }

    private func series<Handler>(
        _ label: String, _ dimensions: [(String, String)], make: () -> Handler, wrap: (Handler) -> Series,
        unwrap: (Series) -> Handler?
    ) -> Handler {
        let identity = Identity(
            label: label, dimensions: dimensions.map { Identity.Dimension(name: $0.0, value: $0.1) })
        return state.withLock { state in
            if let known = state.series[identity] {
                guard let handler = unwrap(known) else { preconditionFailure("\(label) is of another kind already") }
                return handler
            }
            let handler = make()
            state.series[identity] = wrap(handler)
            return handler
        }
    }

    // MARK: MetricsFactory

    /// A count.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(
            label, dimensions, make: { CounterSeries() }, wrap: { .counter($0) },
            unwrap: { if case .counter(let handler) = $0 { handler } else { nil } })
    }

    /// A last value, whatever `aggregate` says: distributions are timers here.
    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        series(
            label, dimensions, make: { GaugeSeries() }, wrap: { .gauge($0) },
            unwrap: { if case .gauge(let handler) = $0 { handler } else { nil } })
    }

    /// A histogram of durations.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(
            label, dimensions, make: { HistogramSeries() }, wrap: { .histogram($0) },
            unwrap: { if case .histogram(let handler) = $0 { handler } else { nil } })
    }

    /// Series live as long as the daemon.
    public func destroyCounter(_ handler: any CounterHandler) {}
    /// Series live as long as the daemon.
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    /// Series live as long as the daemon.
    public func destroyTimer(_ handler: any TimerHandler) {}
}
