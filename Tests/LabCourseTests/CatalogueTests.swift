import LabCourse
import SystemPackage
import Testing

@Suite struct CatalogueTests {
    @Test func aLabIsFoundByNumberOrName() throws {
        let catalogue = try LabCatalogue(folder: Project.labs)
        for name in ["1", "01", "first-message", "01-first-message"] {
            #expect(try catalogue.lab(name).name == "01-first-message")
        }
        do throws(CourseError) {
            _ = try catalogue.lab("first-mesage")
            Issue.record("found")
        } catch {
            #expect(error.code == .unknownLab)
            #expect(error.description.hasSuffix("no lab 'first-mesage'; did you mean 'first-message'?"))
        }
        do throws(CourseError) {
            _ = try catalogue.lab("99")
            Issue.record("found")
        } catch {
            #expect(error.code == .unknownLab && error.description.contains("no lab '99'; "))
        }
        do throws(CourseError) {
            _ = try LabCatalogue(folder: Project.labs.appending("nowhere"))
            Issue.record("listed")
        } catch {
            #expect(error.code == .missingFile)
        }
    }

    @Test(arguments: [
        ("minutes: 20", "minutes: soon", "lab.yaml:5:"),
        ("mode: m1-async", "mood: m1-async", "'mode' is missing"),
        ("minutes: 20", "minuets: 20", "lab.yaml:5: unknown key 'minuets' in a lab; did you mean 'minutes'?"),
        ("    finding: lost", "    finding: losst", "did you mean 'lost'?"),
        ("    finding: lost", "\tfinding: lost", "a tab stands where YAML wants spaces"),
        ("    kind: number", "    kind: nummer", "expected one of choice, text, number, address; found 'nummer'"),
        ("  - id: twice", "  - id: route-back", "id 'route-back' is given twice"),
        ("    answer: c", "    answer: x", "the answer of 'route-back' is none"),
        (
            "    step: ids\n    title: The unique id's process", "    step: id\n    title: P",
            "unknown step 'id'; did you mean 'ids'?"
        ),
        ("depends_on: [offset-id-store]", "depends_on: [unique-id-pid]", "does not come before it"),
        ("guide: guide.md", "guide: ../../../etc/passwd", "is not the name of a file in this folder"),
        ("guide: guide.md", "guide: gone.md", "there is no such file or folder"),
        ("lab: 01-first-message", "lab: 02-second", "give both one name"),
        ("{phase: baseline, seconds: 1.5}", "{wait: 3}", "expected one of phase, fault, heal"),
    ])
    func aBadLabIsRefusedByFileAndLine(_ from: String, _ to: String, _ wanted: String) throws {
        let scratch = try Scratch()
        let folder = try scratch.folder("01-first-message")
        let good = try text(of: "lab.yaml")
        let range = try #require(good.ranges(of: from).first)
        let bad = String(good[..<range.lowerBound]) + to + String(good[range.upperBound...])
        try scratch.write(bad.utf8, to: "lab.yaml", in: folder)
        try scratch.write("# Guide\n".utf8, to: "guide.md", in: folder)
        try scratch.write("# Afterwards\n".utf8, to: "afterwards.md", in: folder)
        do throws(CourseError) {
            _ = try LabCatalogue(folder: scratch.path).lab("1")
            Issue.record("taken")
        } catch {
            #expect(error.description.contains(wanted), "\(error)")
            #expect(!error.description.contains("\n"))
        }
    }

    private func text(of name: String) throws -> String {
        let file = Project.labs.appending("01-first-message").appending(name)
        let descriptor = try FileDescriptor.open(file, .readOnly)
        defer { try? descriptor.close() }
        var bytes = [UInt8](repeating: 0, count: 1 << 18)
        let count = try bytes.withUnsafeMutableBytes { try descriptor.read(into: $0) }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
