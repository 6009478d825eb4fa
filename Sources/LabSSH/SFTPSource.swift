import SystemPackage

/// What an upload sends: bytes in memory, or an open file through a sliding window.
///
/// libssh2 wants to see the bytes that are sent but not acknowledged at the front of what it is handed next, so the
/// window starts at the first byte that the host has not acknowledged.
///
/// `@unchecked Sendable`: after `init`, touched by the owning session's actor only, on its thread.
final class SFTPSource: @unchecked Sendable {
    /// Bytes in all.
    let count: Int
    /// Bytes that the host has acknowledged.
    private(set) var acknowledged = 0

    private let file: FileDescriptor?
    private let location: String
    /// The bytes themselves, or for a file a buffer of `SFTPLimits.bufferBytes`.
    private var buffer: [UInt8]
    /// The window is `buffer[start..<end]`.
    private var start = 0
    private var end: Int

    init(_ bytes: [UInt8]) {
        file = nil
        location = ""
        buffer = bytes
        count = bytes.count
        end = bytes.count
    }

    /// Opens a local file.
    init(_ local: FilePath) throws(SSHError) {
        do {
            let file = try FileDescriptor.open(local, .readOnly)
            do {
                count = Int(try file.seek(offset: 0, from: .end))
                // A folder opens and seeks, and is told by the first read.
                _ = try withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) {
                    try file.read(fromAbsoluteOffset: 0, into: UnsafeMutableRawBufferPointer($0))
                }
            } catch {
                try? file.close()
                throw error
            }
            self.file = file
        } catch {
            throw SSHError(.fileFailed, "the file can't be read", cause: "\(error)", location: local.string)
        }
        location = local.string
        buffer = [UInt8](repeating: 0, count: min(SFTPLimits.bufferBytes, max(count, 1)))
        end = 0
    }

    // Nothing was written to it, so closing has nothing to report.
    deinit { try? file?.close() }

    /// Whether the host has all of it.
    var isThrough: Bool { acknowledged == count }

    /// The SHA-256 of all the bytes, at the cost of a pass over the file.
    func digest() throws(SSHError) -> [UInt8] {
        guard let file else { return Digests.sha256(buffer) }
        do {
            return try Digests.sha256(of: file).digest
        } catch {
            throw SSHError(.fileFailed, "the file can't be read", cause: "\(error)", location: location)
        }
    }

    /// Reads ahead until there is a full window, or all that is left.
    func fill() throws(SSHError) {
        guard let file else { return }
        let wanted = min(SFTPLimits.windowBytes, count - acknowledged)
        guard end - start < wanted else { return }
        if buffer.count - start < wanted {
            buffer.withUnsafeMutableBytes { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<end])) }
            end -= start
            start = 0
        }
        while end - start < wanted {
            let offset = Int64(acknowledged + end - start)
            let room = end..<min(buffer.count, end + count - Int(offset))
            let length: Int
            do {
                length = try buffer.withUnsafeMutableBytes {
                    try file.read(fromAbsoluteOffset: offset, into: UnsafeMutableRawBufferPointer(rebasing: $0[room]))
                }
            } catch {
                throw SSHError(.fileFailed, "the file can't be read", cause: "\(error)", location: location)
            }
            guard length > 0 else {
                throw SSHError(.fileFailed, "the file shrank while it was sent (try again)", location: location)
            }
            end += length
        }
    }

    /// Hands out the window.
    func withWindow<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let window = start..<min(end, start + SFTPLimits.windowBytes)
        return buffer.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[window])) }
    }

    /// Moves the window's front past bytes that have arrived.
    func acknowledge(_ bytes: Int) {
        precondition(bytes <= end - start, "\(bytes) bytes acknowledged of \(end - start)")
        start += bytes
        acknowledged += bytes
    }
}
