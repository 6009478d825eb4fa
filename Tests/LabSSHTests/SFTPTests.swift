import Glibc
import SystemPackage
import Testing

@testable import LabSSH

extension SSHTests {
    @Suite struct SFTPTests {
        private func bytes(_ count: Int, seed: UInt32 = 1) -> [UInt8] {
            var state = seed
            return (0..<count).map { _ in
                state = state &* 1_664_525 &+ 1_013_904_223
                return UInt8(truncatingIfNeeded: state >> 24)
            }
        }

        private func temporaries(_ server: TestServer) -> [String] {
            server.scratch.names().filter { $0.contains(".seatrial-") }
        }

        private func mode(_ file: FilePath) -> UInt32 {
            var facts = stat()
            return stat(file.string, &facts) == 0 ? facts.st_mode & 0o7777 : 0
        }

        @Test func whatIsNewIsSentAndWhatIsThereIsNot() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            let target = server.scratch.file("target")
            let content = bytes(100_000)
            #expect(try await session.upload(content, to: target.string) == .sent(bytes: 100_000))
            #expect(try await session.upload(content, to: target.string) == .unchanged)
            #expect(try await session.upload(content, to: target.string, mode: 0o750) == .unchanged)
            #expect(mode(target) == 0o750)
            // The size is the same: only the digest tells.
            let other = bytes(100_000, seed: 2)
            #expect(try await session.upload(other, to: target.string, mode: 0o640) == .sent(bytes: 100_000))
            #expect(try server.scratch.read("target") == other)
            #expect(mode(target) == 0o640)
            #expect(temporaries(server) == [])
            await session.close()
        }

        @Test func fiftyMegabytesAndNothingArriveWhole() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            for count in [50_000_000, 0, 1, SFTPLimits.windowBytes, SFTPLimits.bufferBytes + 1] {
                let content = bytes(count)
                let local = try server.scratch.write(content, to: "local")
                let target = server.scratch.file("target")
                #expect(try await session.upload(local, to: target.string) == .sent(bytes: count))
                #expect(try server.scratch.read("target") == content)
                #expect(try await session.download(target.string, limitBytes: 50_000_000) == content)
            }
            let error = await #expect(throws: SSHError.self) {
                try await session.download(server.scratch.file("target").string, limitBytes: 10)
            }
            #expect(error?.code == .outputTooLarge)
            await session.close()
        }

        @Test func leftOversGoAndNeighboursStay() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            _ = try server.scratch.write([1], to: "target.seatrial-0123456789abcdef")
            _ = try server.scratch.write([1], to: "target.seatrial-notes")
            _ = try server.scratch.write([1], to: "other.seatrial-0123456789abcdef")
            _ = try await session.upload([1, 2], to: server.scratch.file("target").string)
            #expect(temporaries(server) == ["other.seatrial-0123456789abcdef", "target.seatrial-notes"])
            await session.close()
        }

        @Test func manyUploadsAndCommandsShareASession() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            let contents = (0..<6).map { bytes(1_500_000 + $0, seed: UInt32($0)) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (index, content) in contents.enumerated() {
                    group.addTask {
                        let target = server.scratch.file("target\(index)").string
                        let result = try await session.upload(content, to: target)
                        #expect(result == .sent(bytes: content.count))
                    }
                    group.addTask {
                        for _ in 0..<10 {
                            let answer = try await session.execute("echo \(index)")
                            #expect(answer.outputText == "\(index)\n")
                        }
                    }
                }
                try await group.waitForAll()
            }
            for (index, content) in contents.enumerated() {
                #expect(try server.scratch.read("target\(index)") == content)
            }
            await session.close()
        }

        @Test func aMissingFolderIsNamedAndTheSessionLives() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            let error = await #expect(throws: SSHError.self) {
                try await session.upload(bytes(10), to: server.scratch.file("no/target").string)
            }
            #expect(error?.code == .fileFailed)
            #expect(error?.cause == "no such file or folder")
            #expect(try await session.upload([1], to: server.scratch.file("yes").string) == .sent(bytes: 1))
            await session.close()
        }

        @Test(arguments: [nil, "/bin/false"]) func aHostWithoutSFTPIsToldInOneLine(_ program: String?) async throws {
            let server = try await TestServer(sftp: program)
            let session = try await server.connect()
            let error = await #expect(throws: SSHError.self) {
                try await session.upload([1], to: server.scratch.file("target").string)
            }
            #expect(error?.code == (program == nil ? .channelRefused : .timedOut), "\(String(describing: error))")
            #expect(error?.message.contains("no SFTP server") == true)
            #expect(error?.description.contains("\n") == false)
            if program == nil { #expect(try await session.execute("echo on").outputText == "on\n") }
            await session.close()
        }

        @Test func aCancelledUploadTakesItsTracesAway() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            let content = bytes(60_000_000)
            let target = server.scratch.file("target").string
            let upload = Task { try await session.upload(content, to: target) }
            for _ in 0..<5000 where temporaries(server).isEmpty { try await Task.sleep(for: .milliseconds(1)) }
            #expect(!temporaries(server).isEmpty)
            upload.cancel()
            let error = await #expect(throws: SSHError.self) { try await upload.value }
            #expect(error?.code == .cancelled)
            // The next transfer has its turn after the abandoned one has tidied up.
            #expect(try await session.upload([7], to: target) == .sent(bytes: 1))
            #expect(temporaries(server) == [])
            #expect(try server.scratch.read("target") == [7])
            await session.close()
        }
    }
}
