import Foundation
import SystemPackage
import Testing

/// Attacks on the broker that `make build` made: what the optimiser makes of a lock shows in no debug build.
@Suite struct HostileTests {
    @Test(.timeLimit(.minutes(3))) func noAttackHarmsAnybodyElse() async throws {
        let folder = try Rig.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder.string) }
        // Below the ports that the system gives to connections.
        let port = Int.random(in: 2400..<2600) * 10
        try """
        brokerName=hostile
        bindAddress=127.0.0.1
        brokerIP1=127.0.0.1
        listenPort=\(port)
        storePathRootDir=\(folder)/store
        mapedFileSizeCommitLog=16777216
        waitTimeMillsInSendQueue=60000
        waitTimeMillsInPullQueue=60000
        """.write(toFile: folder.appending("b.properties").string, atomically: true, encoding: .utf8)
        let broker = Process()
        broker.executableURL = URL(fileURLWithPath: Program.path("mqbroker").string)
        broker.arguments = ["-c", folder.appending("b.properties").string]
        let (output, errors) = (Pipe(), Pipe())
        broker.standardOutput = output
        broker.standardError = errors
        try broker.run()
        #expect(!output.fileHandleForReading.availableData.isEmpty)
        let script = Program.checkout.appending("Tests/hostile_peer/attack.py").string
        let attack = try await Program.run(at: "/usr/bin/env", ["python3", script, "\(port)"])
        broker.terminate()
        broker.waitUntilExit()
        let said = String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self)
        #expect(attack.status == 0 && attack.output.contains("5 passed, 0 failed"), "\(attack)\n\(said)")
        #expect(broker.terminationStatus == 0, "the broker ended with \(broker.terminationStatus): \(said)")
    }
}
