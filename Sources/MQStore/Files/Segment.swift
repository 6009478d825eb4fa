import Glibc
import NIOCore
import SystemPackage

/// One file of a fixed size that holds the bytes from `baseOffset` on.
///
/// Reads are `pread`, so that a read of a cut file ends early instead of raising SIGBUS. Offsets are absolute. The
/// descriptor closes when the last reader lets go.
final class Segment: Sendable {
    /// The absolute offset of the first byte; also the file's name.
    let baseOffset: Int64
    /// The size of the file in bytes.
    let size: Int64
    let path: FilePath
    private let descriptor: CInt

    /// The end of the segment, exclusive.
    var endOffset: Int64 { baseOffset + size }

    /// A file name of 20 digits.
    static func name(_ baseOffset: Int64) -> String {
        let digits = String(baseOffset)
        return String(repeating: "0", count: 20 - digits.utf8.count) + digits
    }

    /// The offset that a file name of 20 digits says; `nil` for other names.
    static func baseOffset(ofName name: String) -> Int64? {
        name.utf8.count == 20 && name.utf8.allSatisfy { $0 >= 48 && $0 <= 57 } ? Int64(name) : nil
    }

    /// Opens the file, makes it when it is missing and brings it to `size` without writing a block.
    init(directory: FilePath, baseOffset: Int64, size: Int64) throws(StoreError) {
        self.baseOffset = baseOffset
        self.size = size
        path = directory.appending(Self.name(baseOffset))
        descriptor = open(path.string, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system("open", path, Errno(rawValue: errno)) }
        var status = stat()
        if fstat(descriptor, &status) != 0 { throw .system("fstat", path, Errno(rawValue: errno)) }
        guard Int64(status.st_size) <= size else {
            throw StoreError(
                .layout, path: path,
                message: "the file has \(status.st_size) bytes, and segments are set to \(size); "
                    + "set the segment size it was written with, or move it away")
        }
        if Int64(status.st_size) < size, ftruncate(descriptor, Int(size)) != 0 {
            throw .system("ftruncate to \(size)", path, Errno(rawValue: errno))
        }
    }

    deinit { close(descriptor) }

    /// Writes all of `bytes` at the absolute offset.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(StoreError) {
        precondition(
            offset >= baseOffset && offset + Int64(bytes.count) <= endOffset,
            "write of \(bytes.count) bytes at \(offset) leaves the segment \(baseOffset)..<\(endOffset)")
        var done = 0
        while done < bytes.count {
            let count = pwrite(
                descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done,
                Int(offset - baseOffset) + done)
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("pwrite", path, Errno(rawValue: errno))
            }
            done += count
        }
    }

    /// Appends up to `count` bytes from the absolute offset to `buffer`; fewer only at the end of the file.
    func read(at offset: Int64, count: Int, into buffer: inout ByteBuffer) throws(StoreError) {
        let wanted = min(count, Int(endOffset - offset))
        var done = 0
        while done < wanted {
            var failure: CInt = 0
            let got = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted - done) { target in
                let got = pread(descriptor, target.baseAddress, wanted - done, Int(offset - baseOffset) + done)
                failure = got < 0 ? errno : 0
                return max(0, got)
            }
            if failure == EINTR { continue }
            if failure != 0 { throw .system("pread", path, Errno(rawValue: failure)) }
            if got == 0 { return }
            done += got
        }
    }

    /// Brings what was written to the disk.
    func sync() throws(StoreError) {
        while fdatasync(descriptor) != 0 {
            if errno != EINTR { throw .system("fdatasync", path, Errno(rawValue: errno)) }
        }
    }

    /// Makes every byte from the absolute offset on zero; `durably` waits for the disk.
    func zero(from offset: Int64, durably: Bool) throws(StoreError) {
        if ftruncate(descriptor, Int(offset - baseOffset)) != 0 || ftruncate(descriptor, Int(size)) != 0 {
            throw .system("ftruncate", path, Errno(rawValue: errno))
        }
        if durably, fsync(descriptor) != 0 { throw .system("fsync", path, Errno(rawValue: errno)) }
    }
}
