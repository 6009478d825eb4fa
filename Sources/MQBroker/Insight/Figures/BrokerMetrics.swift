import CoreMetrics
import MQStore

/// What a broker measures, by the names under which `/metrics` shows it.
struct BrokerMetrics: Sendable {
    /// How long requests wait for a thread of their kind.
    static let queueWait = "mqbroker_queue_wait_seconds"

    /// Messages stored, and their records' bytes.
    let puts: Counter
    let putBytes: Counter
    /// Sends that were not stored.
    let putFailures: Counter
    /// From a send's arrival to its answer: queue, write and, if it waits for it, sync.
    let putLatency: CoreMetrics.Timer
    /// Messages given to consumers, and their records' bytes.
    let gets: Counter
    let getBytes: Counter
    /// Pulls that found nothing.
    let getMisses: Counter
    /// Reading for one pull.
    let getLatency: CoreMetrics.Timer
    /// Requests refused because their queue was full or too slow.
    let busy: Counter
    private let sendWait: CoreMetrics.Timer
    private let writeTime: CoreMetrics.Timer
    private let syncTime: CoreMetrics.Timer

    init(_ factory: any MetricsFactory) {
        func counter(_ label: String) -> Counter { Counter(label: label, factory: factory) }
        func timer(_ label: String, _ dimensions: [(String, String)] = []) -> CoreMetrics.Timer {
            CoreMetrics.Timer(label: label, dimensions: dimensions, factory: factory)
        }
        puts = counter("mqbroker_put_messages_total")
        putBytes = counter("mqbroker_put_bytes_total")
        putFailures = counter("mqbroker_put_failures_total")
        putLatency = timer("mqbroker_put_seconds")
        gets = counter("mqbroker_get_messages_total")
        getBytes = counter("mqbroker_get_bytes_total")
        getMisses = counter("mqbroker_get_misses_total")
        getLatency = timer("mqbroker_get_seconds")
        busy = counter("mqbroker_busy_refusals_total")
        sendWait = timer(Self.queueWait, [("queue", "send")])
        writeTime = timer("mqbroker_log_write_seconds")
        syncTime = timer("mqbroker_flush_seconds")
    }

    /// What the store reports.
    var store: StoreMeters {
        StoreMeters(
            waited: { [sendWait] in sendWait.recordNanoseconds($0) },
            wrote: { [writeTime] in writeTime.recordNanoseconds($0) },
            synced: { [syncTime] in syncTime.recordNanoseconds($0) })
    }
}
