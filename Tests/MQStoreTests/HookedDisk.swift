import Synchronization
import SystemPackage

@testable import MQStore

/// A simulated disk that lets the test do something just before a write, a change of a file's size, or a read.
final class HookedDisk: StorageIO {
    private let disk: SimulatedDisk
    /// How often something was read of the log.
    let reads = Atomic(0)
    private let hook = Mutex<(@Sendable () throws -> Void)?>(nil)
    private let readHook = Mutex<(@Sendable () throws -> Void)?>(nil)
    private let counts = Mutex((readBytes: 0, resizes: 0))

    init(_ disk: SimulatedDisk) { self.disk = disk }

    /// Does this once, before the next write.
    func beforeNextWrite(_ body: @escaping @Sendable () throws -> Void) { hook.withLock { $0 = body } }

    /// The bytes of queues that were read, and how often a file's size was changed.
    var counted: (readBytes: Int, resizes: Int) { counts.withLock { $0 } }

    /// Does this once, before the next read.
    func beforeNextRead(_ body: @escaping @Sendable () throws -> Void) { readHook.withLock { $0 = body } }

    private func willWrite() { take(hook) }

    private func take(_ hook: borrowing Mutex<(@Sendable () throws -> Void)?>) {
        let body = hook.withLock { hook in
            defer { hook = nil }
            return hook
        }
        do { try body?() } catch { preconditionFailure("what was to be done before it failed: \(error)") }
    }

    func open(_ path: FilePath, _ access: StorageAccess) throws(StoreError) -> any StorageFile {
        File(try disk.open(path, access), of: self)
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
        try disk.tryWriting(in: directory, bytes: bytes)
    }

    private final class File: StorageFile {
        private let file: any StorageFile
        private let disk: HookedDisk

        init(_ file: any StorageFile, of disk: HookedDisk) {
            self.file = file
            self.disk = disk
        }

        var path: FilePath { file.path }
        func size() throws(StoreError) -> Int64 { try file.size() }
        func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(StoreError) {
            disk.willWrite()
            try file.write(bytes, at: offset)
        }
        func read(into target: UnsafeMutableRawBufferPointer, at offset: Int64) throws(StoreError) -> Int {
            disk.take(disk.readHook)
            if path.string.contains("/commitlog/") { disk.reads.wrappingAdd(1, ordering: .relaxed) }
            let count = try file.read(into: target, at: offset)
            if path.string.contains("/consumequeue/") { disk.counts.withLock { $0.readBytes += count } }
            return count
        }
        func resize(to size: Int64) throws(StoreError) {
            disk.willWrite()
            disk.counts.withLock { $0.resizes += 1 }
            try file.resize(to: size)
        }
        func allocate(to size: Int64) throws(StoreError) { try file.allocate(to: size) }
        func sync() throws(StoreError) { try file.sync() }
        func nextData(from offset: Int64) throws(StoreError) -> Int64? { try file.nextData(from: offset) }
    }
}
