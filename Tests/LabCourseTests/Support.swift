import Glibc
import LabCourse
import LabHistory
import SystemPackage
import Testing

/// The project's own labs, found from this file's place.
enum Project {
    static let root = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
    static let labs = root.appending("labs")

    static func lab01() throws -> Lab { try LabCatalogue(folder: labs).lab("01") }
}

/// A folder of a test's own, removed with it.
final class Scratch {
    let path: FilePath

    init() throws {
        var template = Array("/tmp/seatrial-course-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        path = FilePath(try #require(made))
    }

    deinit { Self.remove(path) }

    func folder(_ name: String) throws -> FilePath {
        let folder = path.appending(name)
        try #require(mkdir(folder.string, 0o700) == 0)
        return folder
    }

    func write(_ bytes: some Sequence<UInt8>, to name: String, in folder: FilePath? = nil) throws {
        let file = (folder ?? path).appending(name)
        let descriptor = try FileDescriptor.open(
            file, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
        defer { try? descriptor.close() }
        try descriptor.writeAll(bytes)
    }

    private static func remove(_ path: FilePath) {
        if unlink(path.string) == 0 { return }
        guard let stream = opendir(path.string) else { return }
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { remove(path.appending(name)) }
        }
        closedir(stream)
        rmdir(path.string)
    }
}

/// Verdicts as runs of lab 01 would give them.
enum Runs {
    static func verdict(_ findings: [Finding] = [], healed: Bool = true, bitten: Bool = true) -> Verdict {
        var counts = VerdictCounts()
        counts.sent = 1600
        counts.ok = 1400
        var timeline = Timeline()
        timeline.count(at: 0) { $0.ok += 1 }
        if bitten {
            timeline.faults = [
                .init(
                    name: "crash", fromNanoseconds: 1_500_000_000, toNanoseconds: healed ? 2_560_000_000 : nil)
            ]
        }
        return Verdict(runID: "r-1", findings: findings, counts: counts, timeline: timeline)
    }

    static let passed = verdict([
        Finding(anomaly: .duplicated, status: .pass, count: 3, rule: .legal, summary: "3 delivered again"),
        Finding(anomaly: .recovered, status: .pass, count: 2, rule: .legal, summary: "2 recovered"),
    ])

    static let lost = verdict([
        Finding(
            anomaly: .lost, status: .fail, count: 12, rule: .forbidden, summary: "12 lost",
            witness: Witness(story: ["Message p0-3 was sent."], lines: [7, 9])),
        Finding(anomaly: .faultUnproven, status: .inconclusive, count: 1, rule: .required, summary: "no end"),
    ])

    static let didNotBite = verdict(
        [
            Finding(
                anomaly: .faultUnproven, status: .inconclusive, count: 1, rule: .required,
                summary: "fault crash was not seen to bite", witness: Witness(story: ["armed"], lines: [40]))
        ], bitten: false)

    static let broken = verdict([
        Finding(anomaly: .labBroke, status: .error, count: 1, rule: .required, summary: "the ssh connection was cut")
    ])
}
