import Glibc
import SystemPackage

/// What the machine could do at best with the same bytes: plain loops without a store around them.
struct StoreLimit {
    let folder: FilePath
    let recordBytes: Int

    /// A preallocated file, as a segment of the log is one.
    private func withFile<Result>(bytes: Int, _ body: (CInt) throws -> Result) throws -> Result {
        let path = folder.appending("limit")
        let descriptor = open(path.string, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Errno(rawValue: errno) }
        defer {
            close(descriptor)
            unlink(path.string)
        }
        let status = posix_fallocate(descriptor, 0, off_t(bytes))
        guard status == 0 else { throw Errno(rawValue: status) }
        guard fsync(descriptor) == 0 else { throw Errno(rawValue: errno) }
        return try body(descriptor)
    }

    /// Records per second of a loop of one `pwrite` for each record.
    func writes(_ count: Int) throws -> Double {
        let record = [UInt8](repeating: 0x61, count: recordBytes)
        return try withFile(bytes: count * recordBytes) { descriptor in
            let start = ContinuousClock.now
            for index in 0..<count {
                guard pwrite(descriptor, record, record.count, off_t(index * recordBytes)) == record.count else {
                    throw Errno(rawValue: errno)
                }
            }
            return Double(count) / ((ContinuousClock.now - start) / .seconds(1))
        }
    }

    /// Records per second of a loop of one `memcpy` into the mapped file for each record.
    func copies(_ count: Int) throws -> Double {
        let record = [UInt8](repeating: 0x61, count: recordBytes)
        let size = count * recordBytes
        return try withFile(bytes: size) { descriptor in
            guard let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), memory != MAP_FAILED
            else { throw Errno(rawValue: errno) }
            defer { munmap(memory, size) }
            let start = ContinuousClock.now
            for index in 0..<count { memcpy(memory + index * recordBytes, record, record.count) }
            return Double(count) / ((ContinuousClock.now - start) / .seconds(1))
        }
    }

    /// Records per second of an ideal group commit: so many records with one `pwrite` and one `fdatasync`, again and
    /// again, as if all producers always had their next record ready.
    func groupCommits(of producers: Int, seconds: Double) throws -> Double {
        let group = [UInt8](repeating: 0x61, count: recordBytes * producers)
        return try withFile(bytes: 1 << 30) { descriptor in
            let start = ContinuousClock.now
            var rounds = 0
            while ContinuousClock.now < start + .seconds(seconds) {
                let place = rounds % ((1 << 30) / group.count) * group.count
                guard pwrite(descriptor, group, group.count, off_t(place)) == group.count, fdatasync(descriptor) == 0
                else { throw Errno(rawValue: errno) }
                rounds += 1
            }
            return Double(rounds * producers) / ((ContinuousClock.now - start) / .seconds(1))
        }
    }
}
