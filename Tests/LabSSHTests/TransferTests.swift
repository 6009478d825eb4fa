import Glibc
import SystemPackage
import Testing

@testable import LabSSH

extension SSHTests {
    @Suite struct TransferTests {
        private func bytes(_ count: Int, seed: Int = 1) -> [UInt8] {
            var state = UInt32(truncatingIfNeeded: seed)
            return (0..<count).map { _ in
                state = state &* 1_664_525 &+ 1_013_904_223
                return UInt8(truncatingIfNeeded: state >> 24)
            }
        }

        @Test func aFileArrivesOnceAndWithItsMode() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            let content = bytes(3_000_000)
            let local = try server.scratch.write(content, to: "local")
            let target = server.scratch.file("it's a target $HOME")
            #expect(try await session.upload(local, to: target.string, mode: 0o755) == .sent(bytes: content.count))
            #expect(try server.scratch.read("it's a target $HOME") == content)
            #expect(access(target.string, X_OK) == 0)
            #expect(try await session.upload(local, to: target.string, mode: 0o755) == .unchanged)
            #expect(try await session.download(target.string) == content)
            #expect(!server.scratch.names().contains { $0.contains(".seatrial-") })
            await session.close()
        }

        @Test func bytesReplaceAFile() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            let target = try server.scratch.write(bytes(10), to: "target")
            for content in [[], bytes(1), bytes(70_000)] {
                #expect(try await session.upload(content, to: target.string) == .sent(bytes: content.count))
                #expect(try server.scratch.read("target") == content)
            }
            await session.close()
        }

        @Test func whatCanNotBeWrittenIsNamed() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            for target in [server.scratch.file("no/such/folder").string, server.scratch.path.string] {
                let error = await #expect(throws: SSHError.self) {
                    try await session.upload(bytes(100_000), to: target)
                }
                #expect(error?.code == .fileFailed)
                #expect(error?.description.contains(target) == true)
            }
            let error = await #expect(throws: SSHError.self) { try await session.download("/no/such/file") }
            #expect(error?.code == .fileFailed)
            await session.close()
        }

        @Test func aFullDiskIsReported() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            // A file-size limit is what a full disk looks like to the writer.
            _ = try server.scratch.write(
                Array("ulimit -f 100; trap '' XFSZ; eval \"$SSH_ORIGINAL_COMMAND\"\n".utf8), to: "small")
            let limited = try await TestServer(lines: ["ForceCommand /bin/sh \(server.scratch.file("small"))"])
            let small = try await limited.connect()
            let error = await #expect(throws: SSHError.self) {
                try await small.upload(bytes(9_000_000), to: limited.scratch.file("big").string)
            }
            #expect(error?.code == .fileFailed, "\(String(describing: error))")
            #expect(!limited.scratch.names().contains("big"))
            await small.close()
            await session.close()
        }

        @Test func aCutUploadLeavesTheOldTarget() async throws {
            let server = try await TestServer()
            let relay = try Relay(to: server.port, cutAfterBytes: 2_000_000)
            var configuration = server.configuration
            configuration.endpoint.port = relay.port
            var key = try HostKeysOf(server).key
            key.host = "[127.0.0.1]:\(relay.port)"
            try HostKeys.append(key, to: server.knownHosts)
            let old = bytes(1000, seed: 9)
            _ = try server.scratch.write(old, to: "target")
            let session = try await SSHSession.connect(configuration)
            let error = await #expect(throws: SSHError.self) {
                try await session.upload(bytes(8_000_000), to: server.scratch.file("target").string)
            }
            #expect(error?.code == .connectionLost)
            #expect(try server.scratch.read("target") == old)
            // Nobody is left to take the temporary file away; the next upload to the same target does it.
            let again = try await server.connect()
            #expect(try await again.upload(old, to: server.scratch.file("target").string) == .unchanged)
            #expect(!server.scratch.names().contains { $0.contains(".seatrial-") })
            #expect(try server.scratch.read("target") == old)
        }

        @Test func aCancelledUploadLeavesNoTarget() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            let content = bytes(6_000_000)
            let target = server.scratch.file("target").string
            let task = Task { try await session.upload(content, to: target) }
            for _ in 0..<500 where !server.scratch.names().contains(where: { $0.contains(".seatrial-") }) {
                try await Task.sleep(for: .milliseconds(1))
            }
            task.cancel()
            let result = await task.result
            if case .failure(let error) = result {
                #expect((error as? SSHError)?.code == .cancelled)
                for _ in 0..<500 where server.scratch.names().contains(where: { $0.contains(".seatrial-") }) {
                    try await Task.sleep(for: .milliseconds(10))
                }
                #expect(!server.scratch.names().contains { $0.contains(".seatrial-") })
            }
            #expect(try await session.execute("echo alive").outputText == "alive\n")
            await session.close()
        }
    }
}
