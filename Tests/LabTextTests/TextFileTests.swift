import Glibc
import LabText
import SystemPackage
import Testing

@Suite("Small text files")
struct TextFileTests {
    private let folder: FilePath

    init() throws {
        var template = Array("/tmp/seatrial-text-XXXXXX".utf8CString)
        let made = try #require(mkdtemp(&template))
        folder = FilePath(String(cString: made))
    }

    private func end() {
        for name in ["file", "pipe"] { _ = unlink(folder.appending(name).string) }
        _ = rmdir(folder.string)
    }

    private func write(_ bytes: [UInt8]) throws -> FilePath {
        let path = folder.appending("file")
        let descriptor = try FileDescriptor.open(
            path, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
        try descriptor.closeAfter { _ = try descriptor.writeAll(bytes) }
        return path
    }

    @Test("A file is read whole, up to its limit and not past it")
    func limit() throws {
        defer { end() }
        let path = try write(Array("grüße".utf8))
        #expect(try TextFile.read(path, limitBytes: 7) == "grüße")
        #expect(throws: TextFile.Mistake.tooLarge(limitBytes: 6)) { try TextFile.read(path, limitBytes: 6) }
    }

    @Test("What is no text file is told as what it is, and nothing blocks")
    func mistakes() throws {
        defer { end() }
        #expect(throws: TextFile.Mistake.notText) { try TextFile.read(try write([0xFF, 0xFE]), limitBytes: 10) }
        #expect(throws: TextFile.Mistake.notAFile) { try TextFile.read(folder, limitBytes: 10) }
        #expect(throws: TextFile.Mistake.missing) { try TextFile.read(folder.appending("none"), limitBytes: 10) }
        #expect(throws: TextFile.Mistake.missing) {
            try TextFile.read(folder.appending("file").appending("below"), limitBytes: 10)
        }
        let pipe = folder.appending("pipe")
        #expect(mkfifo(pipe.string, 0o600) == 0)
        #expect(throws: TextFile.Mistake.notAFile) { try TextFile.read(pipe, limitBytes: 10) }
    }
}
