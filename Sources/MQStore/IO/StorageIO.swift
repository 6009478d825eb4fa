package import SystemPackage

/// Everything the store does to a disk, so that a test can put a disk of its own in the place of the real one.
///
/// What a call has done survives a power cut only as each call says; what it does not say may be lost, in any order.
/// Calls may block, and may be made from any thread.
package protocol StorageIO: Sendable {
    /// Opens a file; the name of one that is made is durable after ``syncDirectory(_:)`` of its directory.
    func open(_ path: FilePath, _ access: StorageAccess) throws(StoreError) -> any StorageFile
    /// The names in a directory, sorted; none when it does not exist, or is a file.
    func names(in path: FilePath) throws(StoreError) -> [String]
    /// Makes a directory and what is missing above it; gives the directories that a sync would have to cover.
    func createDirectory(_ path: FilePath) throws(StoreError) -> [FilePath]
    /// Makes the names in a directory durable, and those taken out of it gone.
    func syncDirectory(_ path: FilePath) throws(StoreError)
    /// Whether anything has this path; throws where that cannot be told.
    func exists(_ path: FilePath) throws(StoreError) -> Bool
    /// Takes a file's name away; one that is not there is no error. Who has it open keeps it.
    func removeFile(_ path: FilePath) throws(StoreError)
    /// Removes an empty directory; one that is not there is no error.
    func removeDirectory(_ path: FilePath) throws(StoreError)
    /// Gives a file another name, in the place of what had it.
    func rename(_ path: FilePath, to target: FilePath) throws(StoreError)
    /// Gives a file a second name, in the place of what had it.
    func link(_ path: FilePath, as second: FilePath) throws(StoreError)
    /// Takes the lock of this path until it is released, or until the process ends.
    func lock(_ path: FilePath) throws(StoreError) -> any StorageLock
    /// How full the file system of the path is; `nil` when it cannot be told.
    func space(at path: FilePath) -> StorageSpace?
    /// Writes so many bytes into a nameless file beside those of the directory, syncs and forgets it: whether that goes.
    func tryWriting(in directory: FilePath, bytes: Int64) throws(StoreError)
}

/// What a file is opened for.
package enum StorageAccess: Sendable {
    /// Reading a file that is there.
    case read
    /// Reading and writing; made empty when it is missing.
    case write
}

/// The bytes of a file system.
package struct StorageSpace: Sendable, Equatable {
    /// All of them.
    package var totalBytes: Int64
    /// Those that an ordinary user may still write.
    package var freeBytes: Int64

    /// A file system of so many bytes.
    package init(totalBytes: Int64, freeBytes: Int64) {
        self.totalBytes = totalBytes
        self.freeBytes = freeBytes
    }

    /// What is taken, of what there is: 0 to 1.
    var usedRatio: Double {
        totalBytes > 0 ? Double(totalBytes - freeBytes) / Double(totalBytes) : 0
    }
}

/// An open file; it closes when the last reference goes.
package protocol StorageFile: AnyObject, Sendable {
    /// Where it was opened.
    var path: FilePath { get }
    /// Its length in bytes.
    func size() throws(StoreError) -> Int64
    /// Writes all of the bytes, or throws after some of them. Durable after ``sync()``, each sector by itself.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(StoreError)
    /// Reads up to the target's size, less only at the file's end; gives the count.
    func read(into target: UnsafeMutableRawBufferPointer, at offset: Int64) throws(StoreError) -> Int
    /// Cuts the file or extends it with zeros, without writing a block.
    func resize(to size: Int64) throws(StoreError)
    /// Gives the file blocks up to the size without a change of what it holds; where that is not to be had, nothing.
    func allocate(to size: Int64) throws(StoreError)
    /// Brings what was written, and the length, to the disk. After an error what the disk holds is unknown, and a
    /// second call proves nothing.
    func sync() throws(StoreError)
    /// The next place, from the offset on, that may hold anything but zeros; `nil` when none does.
    func nextData(from offset: Int64) throws(StoreError) -> Int64?
}

/// A lock that is held.
package protocol StorageLock: Sendable {
    /// Gives it back; a second call does nothing.
    func release()
}

extension StorageIO {
    /// Makes an empty file unless it is there, durably.
    func touch(_ path: FilePath) throws(StoreError) {
        _ = try open(path, .write)
        try syncDirectory(path.removingLastComponent())
    }

    /// Makes a directory and what is missing above it, durably.
    func createDirectoryDurably(_ path: FilePath) throws(StoreError) {
        for changed in try createDirectory(path) { try syncDirectory(changed) }
    }

    /// Makes the names of a directory and of those above it durable, which a killed process may have left otherwise.
    ///
    /// A directory above that may not be read is somebody else's, and was there before us.
    func syncAncestors(of path: FilePath) throws(StoreError) {
        var current = path
        while true {
            let parent = current.removingLastComponent()
            if parent == current { return }
            do throws(StoreError) { try syncDirectory(parent.isEmpty ? "." : parent) } catch {
                guard error.cause == .permissionDenied else { throw error }
            }
            if parent.isEmpty { return }
            current = parent
        }
    }

    /// All of a file; `nil` when it is not there.
    func readAll(_ path: FilePath, limit: Int) throws(StoreError) -> [UInt8]? {
        guard try exists(path) else { return nil }
        let file = try open(path, .read)
        let size = try file.size()
        guard size <= limit else {
            throw StoreError(.layout, path: path, message: "larger than \(limit) bytes; it is no file of ours")
        }
        var bytes = [UInt8](repeating: 0, count: Int(size))
        var failure: StoreError?
        // A read that failed is tried once more.
        for _ in 0..<2 {
            failure = nil
            let count = bytes.withUnsafeMutableBytes { target in
                do throws(StoreError) { return try file.read(into: target, at: 0) } catch {
                    failure = error
                    return 0
                }
            }
            guard let failure else { return Array(bytes.prefix(count)) }
            if failure.code != .unreadable { break }
        }
        throw failure ?? StoreError(.unreadable, path: path, message: "pread", cause: .ioError)
    }
}

extension StorageFile {
    /// Writes all of the bytes.
    func write(_ bytes: [UInt8], at offset: Int64) throws(StoreError) {
        var failure: StoreError?
        bytes.withUnsafeBytes { bytes in
            do throws(StoreError) { try write(bytes, at: offset) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}
