import Glibc
import Subprocess
import SystemPackage
import Testing

/// The programs as `make build` leaves them, run as a user runs them.
struct Program: Sendable {
    struct Outcome: Sendable, CustomStringConvertible {
        var status: Int32
        var output: String
        var errors: String
        var description: String { "exit \(status)\n--- stdout\n\(output)\n--- stderr\n\(errors)" }
        /// Complaints, one a line.
        var errorLines: [String] { errors.split(separator: "\n").map(String.init) }
    }

    /// The checkout that these tests were built from.
    static var checkout: FilePath {
        var path = FilePath(#filePath)
        for _ in 0..<3 { path.removeLastComponent() }
        return path
    }

    static func path(_ name: String) -> FilePath { checkout.appending(".build/release").appending(name) }

    static let outputLimitBytes = 64 << 20

    /// Runs a program in the checkout to its end.
    static func run(_ name: String, _ arguments: [String], in folder: FilePath? = nil) async throws -> Outcome {
        try await run(at: path(name), arguments, in: folder)
    }

    /// Any other program, by its path.
    static func run(at program: FilePath, _ arguments: [String], in folder: FilePath? = nil) async throws -> Outcome {
        let result = try await Subprocess.run(
            .path(program), arguments: Arguments(arguments), workingDirectory: folder ?? checkout,
            output: .string(limit: outputLimitBytes), error: .string(limit: outputLimitBytes))
        let status: Int32 =
            switch result.terminationStatus {
            case .exited(let code): Int32(code)
            case .signaled(let signal): -Int32(signal)
            }
        return Outcome(status: status, output: result.standardOutput, errors: result.standardError)
    }
}

/// Hosts of their own for one test, taken down afterwards whatever happens.
struct Rig: Sendable {
    let state: FilePath

    func seatrial(_ words: String...) async throws -> Program.Outcome { try await seatrial(words) }

    func seatrial(_ words: [String]) async throws -> Program.Outcome {
        try await Program.run("seatrial", words + ["--state", state.string])
    }

    static func with(hosts count: Int, _ body: (Rig) async throws -> Void) async throws {
        let rig = Rig(state: try temporaryFolder())
        do {
            if count > 0 {
                let up = try await rig.seatrial("hosts", "up", "\(count)")
                try #require(up.status == 0, "\(up)")
            }
            try await body(rig)
        } catch {
            try? await rig.tearDown()
            throw error
        }
        try await rig.tearDown()
        _ = try await Program.run(at: "/bin/rm", ["-rf", rig.state.string])
    }

    /// Also after a failure: what is left behind is one of its own.
    private func tearDown() async throws {
        let down = try await seatrial("hosts", "down")
        #expect(down.status == 0, "\(down)")
        let check = try await seatrial("hosts", "check")
        #expect(check.status == 0, "left behind: \(check)")
    }

    static func temporaryFolder() throws -> FilePath {
        var template = Array("/tmp/seatrial-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
        return FilePath(String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
}
