import SystemPackage

/// Small files that people write, read whole.
enum TextFile {
    /// A mode's file is a page; more than this is a mistake in the path.
    static let limitBytes = 1 << 20

    static func read(_ path: FilePath, what: String) throws(ClusterError) -> String {
        do {
            let descriptor = try FileDescriptor.open(path, .readOnly)
            defer { try? descriptor.close() }
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 64 * 1024)
            while bytes.count <= limitBytes {
                let count = try chunk.withUnsafeMutableBytes { try descriptor.read(into: $0) }
                if count == 0 { break }
                bytes += chunk[..<count]
            }
            guard bytes.count <= limitBytes, let text = String(validating: bytes, as: UTF8.self) else {
                throw ClusterError(.badTopology, "\(path): not a text file of at most \(limitBytes) bytes")
            }
            return text
        } catch let error as ClusterError {
            throw error
        } catch {
            throw ClusterError(.badTopology, "\(path): this \(what) can't be read (\(error))")
        }
    }
}
