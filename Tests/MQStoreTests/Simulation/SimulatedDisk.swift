import Synchronization
import SystemPackage

@testable import MQStore

/// A disk with a page cache, in memory, that fails as real ones do, by a seed.
///
/// The fault model:
///
/// 1. *Lost writes.* What was written since a file's last sync is in the page cache only. A power cut keeps of it what
///    the kernel happened to have written back.
/// 2. *Reordered writes.* That is decided for each sector of 512 bytes by itself: of two writes between two syncs the
///    later one may be kept and the earlier one lost. A sector that was written several times may come back as any of
///    its versions.
/// 3. *Torn sectors.* A sector may come back with the beginning of one version and the end of the one before.
/// 4. *Lost lengths.* A file's length since its last sync may come back as any it had.
/// 5. *Lost names.* Making, removing and renaming reach the disk in order, of those since a sync of their directory a
///    beginning that chance decides; a file whose name is lost is lost, synced or not.
/// 6. *A kill* keeps the cache. A write that was under way is done up to some byte.
/// 7. *No space.* A write that needs a block when none is left is done up to there, and fails. Blocks of 1,024 bytes, as ext4 has them on a small disk.
/// 8. *Write errors.* A write may fail after any part of it was done.
/// 9. *Read errors.* A read may fail; asked again soon, the file is read.
/// 10. *Name errors.* Making, removing and renaming may fail, with nothing done, and so may the question whether there is
///    a name.
/// 11. *Failed syncs.* Of what it covered some is on the disk; the rest is in the cache, called clean, and no later sync
///    brings it to the disk unless it is written again (as Linux does since 4.13). Cutting a file takes the bytes from
///    the disk whatever the cache holds. A directory's sync that fails has done nothing.
/// 12. *Bit flips* happen where the test puts them.
/// 13. *A slow sync*: time goes by in it. What the store's other threads do meanwhile is ``SimulatedThreads``' to say,
///    which may stop any of them before any operation; one that hangs for good is `LogFlusherTests`'.
/// 14. *Lost files*, by an operator's hand, where the test takes them.
/// 15. *Unreadable sectors*, where the test puts them, and for good: each read that touches one fails, and so does each
///    write and each cut in its middle, as the rest would have to be read. All of it written, or cut off, ends it.
///
/// Not modelled: a disk that says a sync is done and lies, but for tests that show that such a lie is found out; a write
/// that goes to a wrong place; a torn sector whose end is new and whose beginning is not; names of two directories that
/// are lost in another order than they were given in; a sector that is unreadable again because what was written over it
/// is lost with the power.
final class SimulatedDisk: StorageIO {
    static let sectorBytes = 512
    static let blockBytes = 1024

    /// What is on the disk besides names.
    struct Inode: Sendable {
        /// What a reader sees.
        var cached: [UInt8] = []
        /// What a power cut leaves at least.
        var durable: [UInt8] = []
        /// The versions of sectors since the last sync, oldest first.
        var versions: [Int: [Version]] = [:]
        /// The versions there were.
        var writes = 0
        /// The lengths since the last sync.
        var lengths: [Int] = []
        /// The blocks that are taken.
        var blocks: Set<Int> = []
        /// The sectors that cannot be read.
        var unreadable: Set<Int> = []
        /// So many reads do not fail by chance.
        var readsSpared = 0
    }

    /// A sector as one write left it.
    struct Version: Sendable {
        var bytes: [UInt8]
        /// Of all writes to its file so many came before.
        var number: Int
    }

    /// A change of names.
    enum NameChange: Sendable {
        case make(Place, inode: Int)
        case makeDirectory(Place)
        case remove(Place)
        case rename(Place, to: Place)

        var directory: String {
            switch self {
            case .make(let place, _), .makeDirectory(let place), .remove(let place), .rename(let place, _):
                place.directory
            }
        }
    }

    /// A path, taken apart once.
    struct Place: Sendable {
        var path: String
        var directory: String
        var name: String

        init(_ path: FilePath) {
            self.path = path.string
            let parts = self.path.utf8.lastIndex(of: UInt8(ascii: "/")) ?? self.path.startIndex
            directory = parts == self.path.startIndex ? "/" : String(self.path[..<parts])
            name = String(self.path[self.path.index(after: parts)...])
        }
    }

    /// Files and directories by their paths.
    struct Names: Sendable {
        var files: [String: Int] = [:]
        /// What each directory holds.
        var directories: [String: Set<String>] = ["/": []]

        mutating func apply(_ change: NameChange) {
            switch change {
            case .make(let place, let inode):
                guard directories[place.directory] != nil else { return }
                files[place.path] = inode
                directories[place.directory]?.insert(place.name)
            case .makeDirectory(let place):
                guard directories[place.directory] != nil else { return }
                directories[place.path] = directories[place.path] ?? []
                directories[place.directory]?.insert(place.name)
            case .remove(let place):
                files[place.path] = nil
                // A directory that is gone takes along what a lost removal left in it.
                for name in directories.removeValue(forKey: place.path) ?? [] {
                    apply(.remove(Place(FilePath(place.path).appending(name))))
                }
                directories[place.directory]?.remove(place.name)
            case .rename(let place, let target):
                guard let inode = files.removeValue(forKey: place.path) else { return }
                directories[place.directory]?.remove(place.name)
                apply(.make(target, inode: inode))
            }
        }
    }

    struct State: Sendable {
        var random: SeededRandom
        var inodes: [Int: Inode] = [:]
        var names = Names()
        var durableNames = Names()
        var changes: [(change: NameChange, isSynced: Bool)] = []
        var nextInode = 1
        /// The operations left before the machine stops; `nil`: it does not.
        var operationsLeft: Int?
        var isOff = false
        /// The blocks there are; `nil`: enough.
        var blockLimit: Int?
        /// Whether blocks that a file gave back are free only after the next sync, as where a journal is kept.
        var givesBackLate = false
        /// How many were given back since the last sync.
        var owedBlocks = 0
        /// Why every write fails; `nil`: none does for that.
        var writeRefusal: Errno?
        /// Of a hundred writes so many fail.
        var writeErrorPercent = 0
        /// Of a hundred reads so many fail.
        var readErrorPercent = 0
        /// Of a hundred changes of names so many fail.
        var nameErrorPercent = 0
        /// The syncs that fail, after those that don't.
        var failingSyncs = 0
        var syncsBeforeFailure = 0
        /// Of a hundred syncs so many take their time on this clock.
        var slowSyncPercent = 0
        var clock: SimulatedClock?
        /// The faults that struck: ``SimulationEvent``s.
        var met: Set<String> = []
        /// How many errors were given back on purpose.
        var errors = 0
        /// Syncs of such paths are lies.
        var sabotage: (@Sendable (String) -> Bool)?
        var operations = 0
        /// The most bytes that one read gave.
        var largestRead = 0
        var isTraced = false
        /// Of all operations in their order; of two runs of one seed it must be the same. Kept when it is not `nil`.
        var digest: UInt64?
    }

    let state: Mutex<State>

    init(seed: UInt64) { state = Mutex(State(random: SeededRandom(seed: seed))) }

    // MARK: What tests do to it

    /// The machine stops at the operation after `count` more.
    func stop(after count: Int?) { state.withLock { $0.operationsLeft = count } }

    var isOff: Bool { state.withLock { $0.isOff } }
    var operations: Int { state.withLock { $0.operations } }
    /// How many errors were given back on purpose.
    var errors: Int { state.withLock { $0.errors } }
    /// How many syncs are yet to fail.
    var failingSyncs: Int { state.withLock { $0.failingSyncs } }
    /// The faults that struck.
    var met: Set<String> { state.withLock { $0.met } }
    /// Whether no block is left.
    var isFull: Bool { state.withLock { state in state.blockLimit.map { $0 <= state.usedBlocks } ?? false } }
    /// Of all operations so far, in their order.
    var digest: UInt64? { state.withLock { $0.digest } }
    /// The paths of all files, sorted.
    var files: [String] { state.withLock { $0.names.files.keys.sorted() } }

    func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    /// The process is gone, its writes are not.
    func kill() {
        state.withLock { state in
            state.isOff = false
            state.operationsLeft = nil
        }
    }

    /// What was not synced is lost as the fault model says.
    func cutPower() {
        state.withLock { state in
            state.isOff = false
            state.operationsLeft = nil
            // 0: all that was not synced is lost; 1: nothing is; else chance decides for each sector.
            let mood = state.random.below(6)
            for number in state.inodes.keys.sorted() {
                guard var inode = state.inodes.removeValue(forKey: number) else { continue }
                state.met.formUnion(inode.lose(mood: mood, &state.random))
                state.inodes[number] = inode
            }
            var names = state.durableNames
            let kept = mood == 0 ? 0 : mood == 1 ? state.changes.count : state.random.below(state.changes.count + 1)
            for (index, item) in state.changes.enumerated() where index < kept || item.isSynced {
                names.apply(item.change)
            }
            if state.changes.count > kept, names.files.keys != state.names.files.keys {
                state.met.insert(SimulationEvent.lostNames.rawValue)
            }
            state.names = names
            state.durableNames = names
            state.changes = []
            let named = Set(names.files.values)
            state.inodes = state.inodes.filter { named.contains($0.key) }
        }
    }

    /// No fault strikes any more.
    func lift() {
        state.withLock { state in
            state.writeErrorPercent = 0
            state.readErrorPercent = 0
            state.nameErrorPercent = 0
            state.slowSyncPercent = 0
            state.failingSyncs = 0
            state.syncsBeforeFailure = 0
            state.blockLimit = nil
        }
    }

    /// The machine stops here and now.
    func turnOff() { state.withLock { $0.isOff = true } }

    /// Takes a file or a directory away, for good.
    func lose(_ path: FilePath) {
        state.withLock { state in
            let change = NameChange.remove(Place(path))
            state.names.apply(change)
            state.changes.append((change, true))
        }
    }

    /// Moves a file to another directory's place, for good; a directory that is not there is made.
    func move(_ path: FilePath, to other: FilePath) {
        state.withLock { state in
            let place = Place(other)
            for change in [
                NameChange.makeDirectory(Place(FilePath(place.directory))), .rename(Place(path), to: place),
            ] {
                state.names.apply(change)
                state.changes.append((change, true))
            }
        }
    }

    /// Turns bits of a byte around, on the disk and in the cache.
    func flip(_ path: FilePath, at offset: Int, bits: UInt8) {
        state.withLock { state in
            guard let number = state.names.files[path.string], var inode = state.inodes[number] else { return }
            if offset < inode.cached.count { inode.cached[offset] ^= bits }
            if offset < inode.durable.count { inode.durable[offset] ^= bits }
            state.inodes[number] = inode
        }
    }

    /// Makes the sector that holds a byte of a file unreadable, once it is synced; whether it did.
    func ruin(_ path: FilePath, at offset: Int) -> Bool {
        state.withLock { state in
            guard let number = state.names.files[path.string] else { return false }
            let sector = offset / Self.sectorBytes
            guard let inode = state.inodes[number], offset < inode.durable.count, inode.versions[sector] == nil,
                inode.blocks.contains(offset / Self.blockBytes)
            else { return false }
            state.inodes[number]?.unreadable.insert(sector)
            state.met.insert(SimulationEvent.unreadableSector.rawValue)
            return true
        }
    }

    // MARK: StorageIO

    func open(_ path: FilePath, _ access: StorageAccess) throws(StoreError) -> any StorageFile {
        let number = try operation("open", path) { state throws(StoreError) in
            if let known = state.names.files[path.string] { return known }
            if access == .write { try state.mayChangeNames("open", path) }
            let place = Place(path)
            guard access == .write, state.names.directories[place.directory] != nil else {
                throw StoreError.system("open", path, .noSuchFileOrDirectory)
            }
            let number = state.nextInode
            state.nextInode += 1
            state.inodes[number] = Inode()
            state.apply(.make(place, inode: number))
            return number
        }
        return SimulatedFile(disk: self, path: path, inode: number)
    }

    func names(in path: FilePath) throws(StoreError) -> [String] {
        try operation("opendir", path) { state in
            (state.names.directories[path.string] ?? []).sorted()
        }
    }

    func createDirectory(_ path: FilePath) throws(StoreError) -> [FilePath] {
        try operation("mkdir", path) { state throws(StoreError) in
            if state.names.directories[path.string] == nil { try state.mayChangeNames("mkdir", path) }
            var changed: [FilePath] = []
            var missing: [Place] = []
            var current = path
            while current.string != "/", state.names.directories[current.string] == nil {
                missing.insert(Place(current), at: 0)
                current = current.removingLastComponent()
            }
            for place in missing {
                state.apply(.makeDirectory(place))
                changed.append(FilePath(place.directory))
            }
            return changed
        }
    }

    func syncDirectory(_ path: FilePath) throws(StoreError) {
        try operation("fsync", path) { (state) throws(StoreError) in
            if state.sabotage?(path.string) == true { return }
            guard path.string == "/" || state.names.directories[path.string] != nil else {
                throw StoreError.system("open", path, .noSuchFileOrDirectory)
            }
            if state.isSyncFailing() {
                throw state.fail(.failedDirectorySync, "fsync", path, .ioError)
            }
            for index in state.changes.indices where state.changes[index].change.directory == path.string {
                state.changes[index].isSynced = true
            }
            // Those at the front are settled for good.
            let settled = state.changes.prefix { $0.isSynced }
            for item in settled { state.durableNames.apply(item.change) }
            state.changes.removeFirst(settled.count)
        }
    }

    func exists(_ path: FilePath) throws(StoreError) -> Bool {
        try operation("access", path) { state throws(StoreError) in
            try state.mayChangeNames("access", path)
            return state.has(path)
        }
    }

    /// Whether there is a name, asked by the test.
    func has(_ path: FilePath) -> Bool { state.withLock { $0.has(path) } }

    func removeFile(_ path: FilePath) throws(StoreError) {
        try operation("unlink", path) { state throws(StoreError) in
            try state.mayChangeNames("unlink", path)
            if state.names.files[path.string] != nil { state.apply(.remove(Place(path))) }
        }
    }

    func removeDirectory(_ path: FilePath) throws(StoreError) {
        try operation("rmdir", path) { state throws(StoreError) in
            try state.mayChangeNames("rmdir", path)
            if state.names.directories[path.string] != nil { state.apply(.remove(Place(path))) }
        }
    }

    func rename(_ path: FilePath, to target: FilePath) throws(StoreError) {
        try operation("rename", path) { state throws(StoreError) in
            try state.mayChangeNames("rename", path)
            state.apply(.rename(Place(path), to: Place(target)))
        }
    }

    func link(_ path: FilePath, as second: FilePath) throws(StoreError) {
        try operation("link", path) { state throws(StoreError) in
            try state.mayChangeNames("link", path)
            guard let inode = state.names.files[path.string] else { return }
            state.apply(.make(Place(second), inode: inode))
        }
    }

    func lock(_ path: FilePath) throws(StoreError) -> any StorageLock { NoLock() }

    func space(at path: FilePath) -> StorageSpace? {
        state.withLock { state in
            guard let limit = state.blockLimit else { return nil }
            return StorageSpace(
                totalBytes: Int64(limit * Self.blockBytes),
                freeBytes: Int64(max(0, limit - state.usedBlocks) * Self.blockBytes))
        }
    }

    func tryWriting(in directory: FilePath, bytes: Int64) throws(StoreError) {
        try operation("probe", directory) { (state) throws(StoreError) in
            if let refusal = state.writeRefusal { throw StoreError.system("pwrite", directory, refusal) }
            let blocks = (Int(bytes) + Self.blockBytes - 1) / Self.blockBytes
            if let limit = state.blockLimit, state.usedBlocks + blocks > limit {
                throw StoreError.system("fallocate", directory, .noSpace)
            }
        }
    }

    private struct NoLock: StorageLock {
        func release() {}
    }

    /// Counts an operation, and lets the machine stop before it.
    func operation<Result>(
        _ name: String, _ path: FilePath, _ body: (inout State) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        (CurrentTurns.value as? SimulatedThread)?.willOperate()
        // `Mutex.withLock` loses typed errors, so the outcome leaves by a value.
        let outcome: Swift.Result<Result, StoreError> = state.withLock { state in
            do throws(StoreError) {
                try state.begin(name, path)
                return .success(try body(&state))
            } catch { return .failure(error) }
        }
        return try outcome.get()
    }
}

extension SimulatedDisk.State {
    var usedBlocks: Int {
        let named = Set(names.files.values)
        return inodes.reduce(0) { $0 + (named.contains($1.key) ? $1.value.blocks.count : 0) }
    }

    mutating func begin(_ name: String, _ path: FilePath) throws(StoreError) {
        operations += 1
        if let left = operationsLeft {
            operationsLeft = left - 1
            if left <= 0 { isOff = true }
        }
        if isTraced {
            let thread = (CurrentTurns.value as? SimulatedThread)?.name ?? "-"
            print("   \(operations) \(thread): \(name) \(path)\(isOff ? " OFF" : "")")
        }
        if let sum = digest {
            digest = (name + path.string).utf8.reduce(sum) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
        }
        if isOff { throw StoreError(.inputOutput, path: path, message: "\(name): the machine is off") }
    }

    /// An error that is given back on purpose.
    mutating func fail(_ event: SimulationEvent, _ call: String, _ path: FilePath, _ cause: Errno) -> StoreError {
        met.insert(event.rawValue)
        errors += 1
        return .system(call, path, cause)
    }

    mutating func mayChangeNames(_ call: String, _ path: FilePath) throws(StoreError) {
        guard nameErrorPercent > 0, random.percent(nameErrorPercent) else { return }
        throw fail(.nameError, call, path, .ioError)
    }

    /// Whether the sync that is asked for fails; time may go by in it.
    mutating func isSyncFailing() -> Bool {
        if slowSyncPercent > 0, random.percent(slowSyncPercent) {
            clock?.advance(Int64(random.below(400)))
            met.insert(SimulationEvent.slowSync.rawValue)
        }
        guard failingSyncs > 0 else { return false }
        if syncsBeforeFailure > 0 {
            syncsBeforeFailure -= 1
            return false
        }
        failingSyncs -= 1
        return true
    }

    func has(_ path: FilePath) -> Bool { names.files[path.string] != nil || names.directories[path.string] != nil }

    mutating func apply(_ change: SimulatedDisk.NameChange) {
        names.apply(change)
        changes.append((change, false))
    }
}
