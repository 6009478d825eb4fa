import Dispatch
import MQStore
import Synchronization
import SystemPackage

/// The machine's disk, until a test says otherwise.
///
/// The fault model:
///
/// 1. *Refused writes.* Every write fails with an error, and nothing of it is done, as on a file system that was turned
///    read-only or shut down, until the test takes the error away.
/// 2. *Failed syncs.* So many syncs of the log's files fail, and the next one succeeds, as Linux does it: what the failed one
///    covered may never reach the disk.
final class FaultyStorage: StorageIO {
    private struct Faults {
        var refusal: Errno?
        var failingSyncs = 0
        var refusedWrites = 0
        var refusedProbes = 0
        var holdsSync = false
        var isSyncHeld = false
    }

    private let faults = Mutex(Faults())
    private let heldSync = DispatchSemaphore(value: 0)
    private let disk = SystemStorage()

    /// Has writes fail with this error, or none.
    func refuseWrites(_ error: Errno?) { faults.withLock { $0.refusal = error } }
    /// Has the next syncs of the log's files fail.
    func failSyncs(_ count: Int) { faults.withLock { $0.failingSyncs = count } }
    /// Has the next sync of the log wait, and fail once it is let go.
    func holdSync() { faults.withLock { $0.holdsSync = true } }
    /// Whether one waits.
    var isSyncHeld: Bool { faults.withLock { $0.isSyncHeld } }
    /// Lets the one that waits fail.
    func failHeldSync() { heldSync.signal() }
    /// How many writes were refused so far.
    var refusedWrites: Int { faults.withLock { $0.refusedWrites } }
    /// How often the disk was tried in vain.
    var refusedProbes: Int { faults.withLock { $0.refusedProbes } }

    fileprivate func checkWrite(_ path: FilePath) throws(StoreError) {
        let refusal = faults.withLock { faults in
            if faults.refusal != nil { faults.refusedWrites += 1 }
            return faults.refusal
        }
        if let refusal { throw StoreError(.inputOutput, path: path, message: "pwrite", cause: refusal) }
    }

    fileprivate func checkSync(_ path: FilePath) throws(StoreError) {
        // The housekeeper's small files are synced at moments of its own.
        guard path.removingLastComponent().lastComponent?.string == "commitlog" else { return }
        let isHeld = faults.withLock { faults in
            defer { faults.holdsSync = false }
            faults.isSyncHeld = faults.holdsSync
            return faults.holdsSync
        }
        if isHeld {
            heldSync.wait()
            throw StoreError(.inputOutput, path: path, message: "fdatasync", cause: .ioError)
        }
        let isFailing = faults.withLock { faults in
            defer { faults.failingSyncs = max(0, faults.failingSyncs - 1) }
            return faults.failingSyncs > 0
        }
        if isFailing { throw StoreError(.inputOutput, path: path, message: "fdatasync", cause: .ioError) }
    }

    func open(_ path: FilePath, _ access: StorageAccess) throws(StoreError) -> any StorageFile {
        if access == .write, !(try exists(path)) { try checkWrite(path) }
        return FaultyFile(try disk.open(path, access), storage: self)
    }

    func names(in path: FilePath) throws(StoreError) -> [String] { try disk.names(in: path) }
    func createDirectory(_ path: FilePath) throws(StoreError) -> [FilePath] { try disk.createDirectory(path) }
    func syncDirectory(_ path: FilePath) throws(StoreError) { try disk.syncDirectory(path) }
    func exists(_ path: FilePath) throws(StoreError) -> Bool { try disk.exists(path) }
    func removeFile(_ path: FilePath) throws(StoreError) { try disk.removeFile(path) }
    func removeDirectory(_ path: FilePath) throws(StoreError) { try disk.removeDirectory(path) }
    func rename(_ path: FilePath, to target: FilePath) throws(StoreError) { try disk.rename(path, to: target) }
    func link(_ path: FilePath, as second: FilePath) throws(StoreError) { try disk.link(path, as: second) }
    func lock(_ path: FilePath) throws(StoreError) -> any StorageLock { try disk.lock(path) }
    func space(at path: FilePath) -> StorageSpace? { disk.space(at: path) }

    func tryWriting(in directory: FilePath, bytes: Int64) throws(StoreError) {
        if faults.withLock({ $0.refusal }) != nil { faults.withLock { $0.refusedProbes += 1 } }
        try checkWrite(directory)
        try disk.tryWriting(in: directory, bytes: bytes)
    }
}

/// A file of a ``FaultyStorage``.
private final class FaultyFile: StorageFile {
    private let file: any StorageFile
    private let storage: FaultyStorage

    init(_ file: any StorageFile, storage: FaultyStorage) {
        self.file = file
        self.storage = storage
    }

    var path: FilePath { file.path }
    func size() throws(StoreError) -> Int64 { try file.size() }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(StoreError) {
        try storage.checkWrite(path)
        try file.write(bytes, at: offset)
    }

    func read(into target: UnsafeMutableRawBufferPointer, at offset: Int64) throws(StoreError) -> Int {
        try file.read(into: target, at: offset)
    }

    func resize(to size: Int64) throws(StoreError) {
        try storage.checkWrite(path)
        try file.resize(to: size)
    }

    func allocate(to size: Int64) throws(StoreError) {
        try storage.checkWrite(path)
        try file.allocate(to: size)
    }

    func sync() throws(StoreError) {
        try storage.checkSync(path)
        try file.sync()
    }

    func nextData(from offset: Int64) throws(StoreError) -> Int64? { try file.nextData(from: offset) }
}
