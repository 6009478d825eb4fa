import ArgumentParser
import Glibc
import Logging
import MQClient
import MQTLS
import MQTransport

/// Which cluster, and how it is asked: the same options for every command that needs one running.
struct AdminTarget: ParsableArguments {
    @Option(
        name: [.customShort("n"), .customLong("namesrvAddr")],
        help: "The nameservers, host:port;host:port (default: $NAMESRV_ADDR, else 127.0.0.1:9876).")
    var nameservers: String?

    @Flag(help: "Speak TLS with nameservers and brokers.")
    var tls = false

    @Option(
        name: .customLong("tls-ca"),
        help: "Speak TLS, and trust those whom this PEM file names; without it, whoever answers is trusted.")
    var authorities: String?

    @Flag(help: "JSON instead of a table.")
    var json = false

    /// Whether a machine reads: it asks for JSON.
    var isForMachine: Bool { json }

    private var addresses: [String] {
        let given = nameservers ?? getenv("NAMESRV_ADDR").map { String(cString: $0) } ?? "127.0.0.1:9876"
        return given.split { $0 == ";" || $0 == "," }.map { String($0.filter { $0 != " " }) }
    }

    private func security() throws -> (any ClientSecurity)? {
        guard tls || authorities != nil else { return nil }
        do throws(ConfigurationError) { return try TLSClient(trusting: authorities) } catch {
            throw ValidationError("--tls-ca: \(error.problem)")
        }
    }

    /// Asks, and ends the process with one line when that fails.
    func run(_ work: (MQAdmin, MQConnection) async throws(MQClientError) -> Void) async throws {
        for address in addresses where (try? HostPort(address)) == nil {
            throw ValidationError("'\(address)' is no address of a nameserver (expected host:port)")
        }
        let client = MQConnection(
            configuration: .init(nameservers: addresses, threads: 1, security: try security()))
        do throws(MQClientError) {
            try await work(MQAdmin(client: client), client)
        } catch {
            await client.shutdown()
            Console.complain("mqadmin: \(error)")
            throw ExitCode.failure
        }
        await client.shutdown()
    }
}

/// Columns under their titles, as wide as what stands in them.
struct Columns: CustomStringConvertible {
    private var lines: [[String]]

    init(_ titles: String...) { lines = [titles.map { "#\($0)" }] }

    mutating func add(_ cells: String...) { lines.append(cells) }

    mutating func add(_ cells: [String]) {
        precondition(cells.count == lines[0].count, "\(cells.count) cells under \(lines[0].count) titles")
        lines.append(cells)
    }

    var description: String {
        let count = lines[0].count
        let widths = (0..<count).map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            let cells = zip(line, widths).map { text, width in text + String(repeating: " ", count: width - text.count)
            }
            var joined = cells.joined(separator: "  ")
            while joined.last == " " { joined.removeLast() }
            return joined
        }.joined(separator: "\n")
    }
}

/// A moment as people read and write it, in UTC.
enum Moment {
    /// What ``milliseconds(_:)`` takes, in words.
    static let accepted = "now, milliseconds since 1970, or yyyy-MM-dd#HH:mm:ss:SSS (UTC)"

    /// Reads a moment as RocketMQ's tools take it.
    static func milliseconds(_ text: String) throws -> Int64 {
        if text == "now" || text == "currentTimeMillis" {
            var time = timespec()
            clock_gettime(CLOCK_REALTIME, &time)
            return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
        }
        if let number = Int64(text), number >= 0 { return number }
        let parts = text.split(whereSeparator: { "-#:".contains($0) }).map { Int32($0) }
        let shape = text.map { $0.isNumber ? "0" : String($0) }.joined()
        guard shape == "0000-00-00#00:00:00:000", let year = parts[0], let month = parts[1], let day = parts[2],
            let hour = parts[3], let minute = parts[4], let second = parts[5], let fraction = parts[6],
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 60
        else { throw ValidationError("'\(text)' is no time (expected \(accepted))") }
        var moment = tm()
        (moment.tm_year, moment.tm_mon, moment.tm_mday) = (year - 1900, month - 1, day)
        (moment.tm_hour, moment.tm_min, moment.tm_sec) = (hour, minute, second)
        let seconds = timegm(&moment)
        // What is no day of its month has become one of the next.
        guard moment.tm_mday == day else { throw ValidationError("'\(text)' is no day of the calendar") }
        return Int64(seconds) * 1000 + Int64(fraction)
    }

    /// The same, or -1.
    static func millisecondsOrEnd(_ text: String) throws -> Int64 { text == "-1" ? -1 : try milliseconds(text) }

    static func text(_ milliseconds: Int64) -> String {
        guard milliseconds > 0 else { return "-" }
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ number: some BinaryInteger) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let fraction = String(String(1000 + milliseconds % 1000).dropFirst())
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).\(fraction)"
    }
}
