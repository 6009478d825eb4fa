import SystemPackage
import Testing

@testable import LabCluster

@Suite struct ProgramFileTests {
    @Test func whatIsNotThereIsToBeBuilt() {
        #expect(message("no-such-program", in: "/tmp")?.contains("not there; build it with 'make build'") == true)
    }

    /// A program that is there and can't be opened is not "missing": a folder that is a file stands for all of these,
    /// since to root no file is closed.
    @Test func anyOtherReasonIsTheSystemsOwn() {
        let told = message("program", in: "/etc/passwd") ?? ""
        #expect(told.contains("Not a directory") && !told.contains("not there"), "\(told)")
    }

    private func message(_ name: String, in folder: FilePath) -> String? {
        do {
            return "found \(try ProgramFile.require(name, in: folder))"
        } catch {
            return error.message
        }
    }
}
