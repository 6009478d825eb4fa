import Foundation
import Testing

/// An unmodified third-party client against the real daemons; what it checks is in `Tests/native_client/check.py`.
@Suite(.serialized) struct NativeClientTests {
    /// The checkout that these tests were built from.
    private static let checkout = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static let version = "0.4.4"

    /// Runs a program on a thread of its own: half a minute on one of the few that all tests share would starve them.
    private func run(_ program: String, _ arguments: [String]) async throws -> (status: Int32, output: String) {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try Self.runHere(program, arguments) }) }
        }
    }

    private static func runHere(_ program: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = try String(decoding: output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }

    /// A Python that has the client, made once and kept in `.venv`.
    private func python() async throws -> String {
        let venv = Self.checkout.appendingPathComponent(".venv").path
        let python = venv + "/bin/python"
        // The version too: a folder that another checkout or hand made may hold any.
        func has() async -> Bool {
            let asked = try? await run(
                python,
                ["-c", "import importlib.metadata as m, rocketmq.client; print(m.version('rocketmq'))"])
            return asked?.status == 0 && asked?.output == "\(Self.version)\n"
        }
        if FileManager.default.fileExists(atPath: python), await has() { return python }
        let made = try await run("/usr/bin/env", ["python3", "-m", "venv", venv])
        try #require(made.status == 0, "python3 -m venv failed (apt-get install python3-venv): \(made.output)")
        let installed = try await run(python, ["-m", "pip", "install", "--quiet", "rocketmq==\(Self.version)"])
        try #require(installed.status == 0, "pip failed: \(installed.output)")
        try #require(await has(), "\(venv) has not rocketmq \(Self.version) after its installation; remove the folder")
        return python
    }

    @Test(.timeLimit(.minutes(8))) func everyCheckPasses() async throws {
        let python = try await python()
        let port = try DaemonPlace.freePort()
        let place = try DaemonPlace("autoCreateTopicEnable=true\nnamesrvAddr=127.0.0.1:\(port)")
        let (nameserver, line, _) = try place.process("mqnamesrv", ["--port", String(port)])
        defer {
            nameserver.terminate()
            nameserver.waitUntilExit()
        }
        #expect(!line.fileHandleForReading.availableData.isEmpty)
        let broker = try place.broker()
        defer {
            broker.terminate()
            broker.waitUntilExit()
        }
        let script = Self.checkout.appendingPathComponent("Tests/native_client/check.py").path
        let checked = try await run(python, [script, "127.0.0.1:\(port)"])
        #expect(checked.status == 0, "\(checked.output)")
        #expect(checked.output.contains("13 passed, 0 failed"))
    }
}
