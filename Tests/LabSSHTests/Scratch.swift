import Glibc
import SystemPackage

/// A folder of a test's own, gone when the test is.
final class Scratch: Sendable {
    let path: FilePath

    init() throws {
        var template = Array("/tmp/seatrial-ssh-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
        path = FilePath(String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    deinit { try? Spawned.run(["rm", "-rf", path.string]) }

    func file(_ name: String) -> FilePath { path.appending(name) }

    func write(_ bytes: [UInt8], to name: String) throws -> FilePath {
        let file = file(name)
        let descriptor = try FileDescriptor.open(
            file, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
        try descriptor.closeAfter { _ = try descriptor.writeAll(bytes) }
        return file
    }

    func read(_ name: String) throws -> [UInt8] {
        let descriptor = try FileDescriptor.open(file(name), .readOnly)
        return try descriptor.closeAfter {
            let count = try descriptor.seek(offset: 0, from: .end)
            return try [UInt8](unsafeUninitializedCapacity: Int(count)) { buffer, used in
                used = try descriptor.read(fromAbsoluteOffset: 0, into: UnsafeMutableRawBufferPointer(buffer))
            }
        }
    }

    /// The names in the folder.
    func names() -> [String] {
        guard let stream = opendir(path.string) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
