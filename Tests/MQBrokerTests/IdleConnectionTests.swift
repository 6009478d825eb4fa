import Foundation
import Glibc
import MQTransport
import MQWire
import NIOCore
import Testing

/// Ten thousand connections that are only there, and a thousand pulls that wait, against a broker of its own process.
@Suite(.serialized) struct IdleConnectionTests {
    private static let connections = 10_000
    private static let pulls = 1000
    private static let costMebibytes = 100.0
    private static let firstDescriptor: Int32 = 4096
    /// Of one core, while nothing happens; a broker without connections needs about a third of a percent.
    private static let idleShare = 0.05

    /// What the kernel says of a process.
    private struct Meter {
        let pid: Int32

        func anonymousKibibytes() throws -> Int {
            let text = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
            let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("RssAnon:") })
            return try #require(line.split(separator: " ").compactMap { Int($0) }.first)
        }

        func cpuSeconds() throws -> Double {
            let text = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
            let fields = try #require(text.split(separator: ")").last).split(separator: " ")
            return try (Double(#require(Int(fields[11]))) + Double(#require(Int(fields[12]))))
                / Double(sysconf(Int32(_SC_CLK_TCK)))
        }
    }

    /// A blocking socket: ten thousand channels of a client would cost this process what they cost the broker.
    private struct Socket {
        let descriptor: Int32

        init(port: Int) throws {
            // Out of the way of the other tests: `Process` reads beyond its sets of descriptors when numbers are large.
            let first = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            descriptor = fcntl(first, F_DUPFD, IdleConnectionTests.firstDescriptor)
            close(first)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = UInt16(port).bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            let connected = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            try #require(descriptor >= 0 && connected == 0, "\(String(cString: strerror(errno)))")
            var patience = timeval(tv_sec: 30, tv_usec: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        }

        func write(_ request: RemotingCommand) throws {
            var frame = ByteBuffer()
            FrameCodec.encode(request, into: &frame)
            let bytes = Array(frame.readableBytesView)
            #expect(Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
        }

        func answer() throws -> RemotingCommand {
            var buffer = ByteBuffer()
            var chunk = [UInt8](repeating: 0, count: 16 << 10)
            while true {
                if let command = try FrameCodec.decode(from: &buffer) { return command }
                let count = read(descriptor, &chunk, chunk.count)
                try #require(count > 0, "the broker closed, or did not answer in time")
                buffer.writeBytes(chunk[..<count])
            }
        }
    }

    private static func raiseFileLimit() throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        try #require(
            limit.rlim_max > rlim_t(connections + Int(firstDescriptor)),
            "files are limited to \(limit.rlim_max): raise 'ulimit -Hn'")
    }

    @Test(.timeLimit(.minutes(3))) func theyCostLittleAndHearOfAMessage() async throws {
        // Seconds of blocking calls do not belong on the few threads that all tests share.
        let outcome = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Void, any Error>, Never>) in
            Thread.detachNewThread { continuation.resume(returning: Result { try Self.measure() }) }
        }
        try outcome.get()
    }

    private static func measure() throws {
        try raiseFileLimit()
        let place = try DaemonPlace("autoCreateTopicEnable=true")
        let broker = try place.broker()
        defer {
            broker.terminate()
            broker.waitUntilExit()
        }
        let meter = Meter(pid: broker.processIdentifier)
        var sockets: [Socket] = []
        defer { for socket in sockets { close(socket.descriptor) } }
        // Whatever the first message costs is not the connections' cost.
        sockets.append(try Socket(port: place.port))
        try sockets[0].write(message())
        #expect(try sockets[0].answer().responseCode == .success)
        let before = try meter.anonymousKibibytes()
        while sockets.count < connections { sockets.append(try Socket(port: place.port)) }
        for index in 1...pulls { try sockets[index].write(pull()) }
        // The last of them is held once a later request of the same connection is answered.
        try sockets[pulls].write(.request(.heartbeat, body: HeartbeatData(clientID: "c").encoded()))
        #expect(try sockets[pulls].answer().requestIsHeartbeat)

        // The kernel takes connections before the broker does: what its loops still have to do for them is not idleness.
        // Each loop has some of the last.
        for index in (connections - 16)..<connections {
            try sockets[index].write(.request(.heartbeat, body: HeartbeatData(clientID: "c").encoded()))
        }
        for index in (connections - 16)..<connections {
            #expect(try sockets[index].answer().requestIsHeartbeat)
        }

        // What idle connections cost is spent in every window; what a busy machine adds is not.
        var spent = Double.infinity
        for _ in 0..<5 where spent / 3 >= idleShare {
            let start = try meter.cpuSeconds()
            Thread.sleep(forTimeInterval: 3)
            spent = min(spent, try meter.cpuSeconds() - start)
        }
        let cost = Double(try meter.anonymousKibibytes() - before) / 1024
        print(
            "idle: \(connections) connections and \(pulls) held pulls cost \(Int(cost)) MiB, \(spent) s of CPU in 3 s")
        #expect(cost < costMebibytes, "\(cost) MiB")
        #expect(spent / 3 < idleShare, "\(spent) s of 3")

        try sockets[0].write(message())
        #expect(try sockets[0].answer().responseCode == .success)
        for index in 1...pulls { #expect(try sockets[index].answer().responseCode == .success) }
    }

    private static func message() -> RemotingCommand {
        let header = SendMessageRequestHeader(producerGroup: "P", topic: "T", queueID: 0, bornTimestamp: 1)
        return .request(.sendMessage, header, body: ByteBuffer(string: "m"))
    }

    private static func pull() -> RemotingCommand {
        .request(
            .pullMessage,
            PullMessageRequestHeader(
                consumerGroup: "G", topic: "T", queueID: 0, queueOffset: 1, maxMessages: 32,
                sysFlag: PullMessageRequestHeader.subscriptionFlag | PullMessageRequestHeader.suspendFlag,
                suspendTimeoutMilliseconds: 120_000))
    }
}

extension RemotingCommand {
    /// The answer to a heartbeat, and not that to a pull, which would have a header.
    fileprivate var requestIsHeartbeat: Bool { responseCode == .success && extFields["nextBeginOffset"] == nil }
}
