import Logging
import Testing

@testable import MQBroker
@testable import MQStore

/// What an operator reads of a store's start and stop.
@Suite struct StoreLogTests {
    private func told(_ body: (StoreLog) -> Void) -> [(level: Logger.Level, text: String)] {
        let log = RecordedLog()
        body(StoreLog(logger: log.logger))
        return log.lines
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
