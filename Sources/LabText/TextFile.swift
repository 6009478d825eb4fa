public import SystemPackage

/// Small files that people write, read whole.
public enum TextFile {
    /// Why a file can't be read.
    public enum Mistake: Error, Sendable, Hashable, CustomStringConvertible {
        case missing
        /// A folder, a pipe or a device, which would not end or block.
        case notAFile
        case tooLarge(limitBytes: Int)
        /// It is not UTF-8.
        case notText
        case unreadable(Errno)

        public var description: String {
            switch self {
            case .missing: "there is no such file; check the path"
            case .notAFile: "it is no regular file; name a file"
            case .tooLarge(let limit): "it has more than the \(limit) bytes allowed; is it the right file?"
            case .notText: "it is not UTF-8 text; save it as UTF-8"
            case .unreadable(let error): "it can't be read: \(error)"
            }
        }
    }

    /// The text of a regular file; symbolic links are followed.
    /// - Parameter limitBytes: more than this is a mistake in the path.
    public static func read(_ path: FilePath, limitBytes: Int) throws(Mistake) -> String {
        var bytes: [UInt8] = []
        do {
            // Opening a pipe for reading would wait for a writer.
            let descriptor = try FileDescriptor.open(path, .readOnly, options: [.nonBlocking, .closeOnExec])
            try descriptor.closeAfter {
                var piece = [UInt8](repeating: 0, count: 64 * 1024)
                while bytes.count <= limitBytes {
                    let count = try piece.withUnsafeMutableBytes { try descriptor.read(into: $0) }
                    if count == 0 { break }
                    bytes += piece[..<count]
                }
                // A pipe without a writer ends at once; only a file can be sought in.
                _ = try descriptor.seek(offset: 0, from: .current)
            }
        } catch Errno.noSuchFileOrDirectory, Errno.notDirectory {
            throw .missing
        } catch Errno.isDirectory, Errno.illegalSeek, Errno.wouldBlock {
            throw .notAFile
        } catch {
            throw .unreadable(error as? Errno ?? .ioError)
        }
        guard bytes.count <= limitBytes else { throw .tooLarge(limitBytes: limitBytes) }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .notText }
        return text
    }
}
