import NIOCore
import SystemPackage

/// Looks through the index files of a store, from its files alone.
///
/// What each of them must be, to the byte:
///
/// 1. Its *header* names the first and the last of its entries, and their number fits the file.
/// 2. Each *entry* leads to a record that has a key of its hash and was stored at its time, and names the entry before it
///    in its slot: so each chain goes back and ends.
/// 3. Each *slot* names the last of its entries. Of the newest file that is known only after a clean stop: our store
///    writes slots when a file is complete, and makes them anew from the entries before.
///
/// A broker may write and remove files meanwhile: a file in which anything looks wrong is read again, a little later.
///
/// What is not looked for: a record whose keys are in no file. A start finds a file that is gone.
struct IndexScrub {
    private let root: FilePath
    private let io: any StorageIO
    private let pause: ScrubPause
    private let slotCount: Int?
    /// Places of the log that are damaged or gone, which is said already.
    private let lost: [Range<Int64>]
    private let log: LogFiles
    /// The entries that are what their records say.
    private(set) var entries = 0
    /// The files whose shape is not known.
    private(set) var unreadFiles = 0

    /// How long the second look at a file waits.
    private static let pauseBeforeSecond = Duration.milliseconds(200)
    /// So many pieces of a file are named apart; what is behind them becomes one.
    private static let pieceLimit = 1000

    /// - Parameter slotCount: the slots of a file, where they are not a fourth of its entries.
    init(
        root: FilePath, io: any StorageIO, slotCount: Int?, end: StoreScanner.End, scanner: StoreScanner,
        pause: @escaping ScrubPause
    ) throws(StoreError) {
        self.pause = pause
        self.root = root
        self.io = io
        self.slotCount = slotCount
        lost = end.damaged + end.missing
        log = try scanner.openLog()
    }

    private var directory: FilePath { root.appending("index") }
    /// Whether the store was stopped properly, and is not open.
    private var isStopped: Bool {
        get throws(StoreError) { try !io.exists(root.appending("abort")) }
    }

    /// Looks through all files, and once more through those that look damaged.
    mutating func run(_ scanner: StoreScanner, _ tell: (StoreScrubber.Finding) -> Void) throws {
        var suspects: [String] = []
        let names = try names()
        for name in names {
            guard let look = try look(into: name, among: names, log) else {
                unreadFiles += 1
                continue
            }
            if look.findings.isEmpty { entries += look.sound } else { suspects.append(name) }
        }
        if suspects.isEmpty { return }
        pause(Self.pauseBeforeSecond)
        let now = try self.names()
        let log = try scanner.openLog()
        for name in suspects where now.contains(name) {
            guard let look = try look(into: name, among: now, log) else { continue }
            entries += look.sound
            for finding in look.findings { tell(finding) }
        }
    }

    private func names() throws(StoreError) -> [String] { try io.names(in: directory).filter(MessageIndex.isName) }

    /// What a look into a file found.
    private struct Look {
        var sound = 0
        var findings: [StoreScrubber.Finding] = []
    }

    /// `nil` when the file's shape is not known.
    private func look(into name: String, among names: [String], _ log: LogFiles) throws(StoreError) -> Look? {
        let isLast = name == names.last
        guard let file = try open(name) else { return Look() }
        let size = try file.size()
        // One that is being made is empty for a moment.
        if size == 0, isLast, !(try isStopped) { return Look() }
        guard let layout = IndexLayout(fileBytes: size, slotCount: slotCount) else { return nil }
        do throws(StoreError) { return try look(into: file, name, isLast: isLast, layout, log) } catch {
            guard error.code == .unreadable else { throw error }
            let places = try file.unreadableRanges()
            return Look(findings: places.map { .unreadable(file: "index/\(name)", bytes: $0) })
        }
    }

    private func look(
        into file: any StorageFile, _ name: String, isLast: Bool, _ layout: IndexLayout, _ log: LogFiles
    ) throws(StoreError) -> Look {
        let wasStopped = try isStopped
        var reading = try IndexFileScrub(name: name, file: file, layout: layout, log: log, lost: lost)
        try reading.readEntries()
        let isStillStopped = try isStopped
        if !isLast || (wasStopped && isStillStopped) { try reading.readSlots() }
        return Look(sound: reading.sound, findings: reading.findings(atMost: Self.pieceLimit))
    }

    private func open(_ name: String) throws(StoreError) -> (any StorageFile)? {
        do throws(StoreError) { return try io.open(directory.appending(name), .read) } catch {
            // Removed since it was listed, with what is too old.
            guard error.cause == .noSuchFileOrDirectory else { throw error }
            return nil
        }
    }
}
