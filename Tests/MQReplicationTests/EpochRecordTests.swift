import Foundation
import MQStore
import MQWire
import NIOCore
import SystemPackage
import Testing

@testable import MQReplication

/// The file of epochs, and what a slave does about its log.
@Suite struct EpochRecordTests {
    private func folder() -> FilePath { FilePath(NSTemporaryDirectory()).appending("epochs-\(UUID().uuidString)") }

    private func epoch(_ number: Int64, _ mark: UInt64 = 7) -> Epoch { Epoch(number: number, mark: mark) }

    private func span(_ end: Int64, _ entries: [(Epoch, Int64)], start: Int64 = 0) -> LogSpan {
        LogSpan(
            start: start, end: end,
            epochs: EpochTable(entries.map { EpochTable.Entry(epoch: $0.0, start: $0.1) }) ?? EpochTable())
    }

    @Test func anEpochOutlivesItsProcess() throws {
        let root = folder()
        defer { try? FileManager.default.removeItem(atPath: root.string) }
        let record = try EpochRecord(root: root)
        #expect(record.table == EpochTable() && record.reign == nil)
        let first = try record.begin(span: 0..<0, known: 0)
        let second = try record.begin(span: 0..<500, known: 4)
        #expect(first.number == 1 && second.number == 5 && first.mark != second.mark && record.reign == second)
        let read = try EpochRecord(root: root)
        #expect(read.table == record.table && read.reign == nil)
        #expect(read.table.entries == [.init(epoch: first, start: 0), .init(epoch: second, start: 500)])
        // The log lost its end, and with it the second epoch; its number is not given again.
        let third = try read.begin(span: 0..<400, known: 0)
        #expect(third.number == 6)
        #expect(try EpochRecord(root: root).table.entries.map(\.epoch) == [first, third])
        try read.adopt(record.table)
        #expect(try EpochRecord(root: root).table == record.table)
    }

    @Test func aDamagedTableIsRefusedAndNotGuessed() throws {
        let root = folder()
        defer { try? FileManager.default.removeItem(atPath: root.string) }
        try EpochRecord(root: root).begin(span: 0..<1000, known: 8)
        let file = URL(fileURLWithPath: root.appending("epochs").string)
        let whole = try Data(contentsOf: file)
        for place in whole.indices {
            var damaged = whole
            damaged[place] ^= 0x10
            try damaged.write(to: file)
            #expect(throws: StoreError.self, "byte \(place)") { try EpochRecord(root: root) }
        }
        for length in 1..<whole.count {
            try whole.prefix(length).write(to: file)
            #expect(throws: StoreError.self, "\(length) bytes") { try EpochRecord(root: root) }
        }
        let table = EpochTable([.init(epoch: epoch(1), start: 0), .init(epoch: epoch(9, .max), start: 1)])
        #expect(table != nil && EpochTable(text: table?.text ?? "") == table)
        #expect(EpochTable(text: EpochTable().text) == EpochTable())
    }

    /// What is followed, what is cut and where, and what is left to an operator.
    @Test func theNewestEpochWinsAndOnlyItsPast() {
        let (one, two, three) = (epoch(1), epoch(2), epoch(3))
        func rejoining(_ own: LogSpan, _ master: LogSpan, _ reign: Epoch?) -> Rejoining {
            Rejoining(own: own, master: master, reign: reign)
        }
        func objects(_ rejoining: Rejoining) -> Bool { if case .object = rejoining { true } else { false } }
        // Its beginning, in the same epoch and in an older one; an empty one; logs from before there were epochs.
        #expect(rejoining(span(500, [(one, 0)]), span(900, [(one, 0)]), one) == .follow)
        #expect(rejoining(span(500, [(one, 0)]), span(900, [(one, 0), (two, 500)]), two) == .follow)
        #expect(rejoining(span(0, []), span(900, [(three, 0)]), three) == .follow)
        #expect(rejoining(span(500, []), span(600, [(one, 600)]), one) == .follow)
        #expect(rejoining(span(500, []), span(600, []), nil) == .follow)
        // The master came back with less, and went on: in an epoch of its own.
        #expect(rejoining(span(900, [(one, 0)]), span(500, [(one, 0), (two, 500)]), two) == .cut(at: 500))
        #expect(rejoining(span(900, [(one, 0)]), span(2000, [(one, 0), (two, 500)]), two) == .cut(at: 500))
        #expect(rejoining(span(900, []), span(500, [(one, 500)]), one) == .cut(at: 500))
        // Two went on from the same place: the greater number wins, and equal ones leave it to an operator.
        let (left, right) = (epoch(2, 1), epoch(2, 2))
        let forked = span(900, [(one, 0), (left, 500)])
        #expect(rejoining(forked, span(800, [(one, 0), (right, 500), (three, 700)]), three) == .cut(at: 500))
        #expect(objects(rejoining(forked, span(800, [(one, 0), (right, 500)]), right)))
        // An epoch that the log has nothing of decides nothing.
        #expect(rejoining(span(500, [(one, 0), (left, 500)]), span(800, [(one, 0), (right, 500)]), right) == .follow)
        // Older ones, and one that knows of none.
        #expect(objects(rejoining(span(900, [(one, 0), (two, 500)]), span(800, [(one, 0)]), one)))
        #expect(objects(rejoining(span(900, [(one, 0)]), span(800, []), nil)))
        // Less of the same epoch; nothing in common; what is in common is gone.
        #expect(objects(rejoining(span(900, [(one, 0)]), span(800, [(one, 0)]), one)))
        #expect(objects(rejoining(span(900, [(one, 0)]), span(800, [(two, 0)]), two)))
        #expect(objects(rejoining(span(900, [(one, 0)]), span(2000, [(one, 0), (two, 950)], start: 1000), two)))
    }
}
