import Logging
import Synchronization
import Testing

@testable import MQBroker
@testable import MQStore

/// What an operator reads of a store's start and stop.
@Suite struct StoreLogTests {
    private final class Lines: Sendable { let all = Mutex<[(level: Logger.Level, text: String)]>([]) }

    private struct Handler: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let pairs = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            lines.all.withLock { $0.append((event.level, "\(event.message) \(pairs.joined(separator: " "))")) }
        }
    }

    private func told(_ body: (StoreLog) -> Void) -> [(level: Logger.Level, text: String)] {
        let lines = Lines()
        body(StoreLog(logger: Logger(label: "test") { _ in Handler(lines: lines) }))
        return lines.all.withLock { $0 }
    }

    @Test func aStartSaysWhatItFoundAndInWhichUnits() {
        func line(clean: Bool, end: Int64, torn: String? = nil) -> (level: Logger.Level, text: String)? {
            var report = RecoveryReport(wasCleanStop: clean, walkedFrom: 0, logEnd: end)
            report.walkedRecords = 7
            report.tornReason = torn
            return told { $0.tell(report, tookNanoseconds: 2_500_000) }.first
        }
        let crash = line(clean: false, end: 900)
        #expect(crash?.level == .info && crash?.text.hasPrefix("the store is recovered after a crash") == true)
        #expect(
            crash?.text.hasSuffix(
                "checkedFromByte=0 checkedRecords=7 logEndByte=900 queueEntriesMadeAnew=0 tookMilliseconds=2") == true)
        #expect(line(clean: true, end: 900)?.text.contains("after a clean stop") == true)
        #expect(line(clean: true, end: 0)?.text.contains("empty") == true)
        let torn = line(clean: false, end: 900, torn: "why")
        #expect(torn?.level == .warning && torn?.text.contains("torn=why") == true)
    }

    @Test func aStopSaysHowTheStoreWasLeft() {
        #expect(told { $0.tellClosed(isClean: true) }.map(\.level) == [.info])
        #expect(told { $0.tellClosed(isClean: false) }.map(\.level) == [.warning])
    }
}
