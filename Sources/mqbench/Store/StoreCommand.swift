import ArgumentParser
import CMallocCounter
import Glibc
import MQStore
import MQTransport
import MQWire
import NIOCore
import SystemPackage

/// `mqbench store`: the store without a broker around it, held against what the machine could do at best.
struct StoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store", abstract: "Measures the store in this process against plain loops of the same bytes.",
        discussion: """
            append, sync and read are alternated with their limits, --rounds times; recover fills a store in a process of
            its own, kills that and times the next start; allocations counts calls of malloc for an append and a read.
            The folder is made, filled and removed, also after Ctrl-C; it needs twice --mib, and for recover --gib GiB.

            Example: mqbench store append sync --directory /var/tmp/mqbench --rounds 5
            """)

    /// What is measured.
    enum Measure: String, CaseIterable, ExpressibleByArgument { case append, sync, read, recover, allocations }

    @Argument(help: "What to measure: append, sync, read, recover, allocations (default: all of them).")
    var measures: [Measure] = []

    @Option(help: "Where the store is made; on the disk that is to be measured.")
    var directory = "/var/tmp/mqbench-store"

    @Option(help: "Bytes of a body.")
    var size = 1024

    @Option(help: "How many MiB of records to append and to read in each round.")
    var mib = 512

    @Option(help: "How many producers wait for a sync at once.")
    var producers = 64

    @Option(help: "How long to append with syncs in each round, in seconds.")
    var seconds = 3.0

    @Option(help: "How many GiB the store has that is recovered.")
    var gib = 4

    @Option(help: "How often each is measured; the median counts.")
    var rounds = 3

    @Flag(help: "One JSON object a line.")
    var json = false

    /// Fills a store and goes on until it is killed; what `recover` starts.
    @Flag(help: .hidden)
    var fillUntilKilled = false

    func validate() throws {
        func check<Number: Comparable>(_ range: ClosedRange<Number>, _ value: Number, _ name: String) throws {
            guard range.contains(value) else {
                throw ValidationError(
                    "--\(name) \(value) is out of range (expected \(range.lowerBound) to \(range.upperBound))")
            }
        }
        try check(0...Int(1 << 22), size, "size")
        try check(1...65_536, mib, "mib")
        try check(1...4096, producers, "producers")
        try check(0.1...600, seconds, "seconds")
        try check(1...256, gib, "gib")
        try check(1...100, rounds, "rounds")
    }

    func run() async throws {
        do {
            if fillUntilKilled { return try StoreRecovery(command: self).fill() }
            guard mkdir(directory, 0o700) == 0 else {
                throw StoreTrouble(Self.why(directory, errno))
            }
            let interruption = Interruption(removing: FilePath(directory))
            defer {
                interruption.endChild()
                remove(FilePath(directory))
            }
            for measure in measures.isEmpty ? Measure.allCases : measures {
                for outcome in try self.measure(measure, interruption) {
                    print(json ? outcome.json.text : outcome.text)
                }
            }
        } catch let trouble as StoreTrouble {
            Console.complain("mqbench: \(trouble.text)")
            throw ExitCode.failure
        } catch let error as StoreError {
            Console.complain("mqbench: \(error)")
            throw ExitCode.failure
        } catch let error as Errno {
            Console.complain("mqbench: \(directory): \(error)")
            throw ExitCode.failure
        }
    }

    private static func why(_ directory: String, _ code: CInt) -> String {
        let reason = String(cString: strerror(code))
        return code == EEXIST
            ? "\(directory) is there already, and what is made there is removed afterwards: name another --directory"
            : "\(directory) can't be made: \(reason) (--directory names another place)"
    }

    func folder(_ name: String) -> FilePath { FilePath(directory).appending(name) }

    private func measure(_ measure: Measure, _ interruption: Interruption) throws -> [StoreOutcome] {
        switch measure {
        case .append: try appends()
        case .sync: [try syncs()]
        case .read: [try reads()]
        case .recover: [try StoreRecovery(command: self).measure(interruption)]
        case .allocations: try allocations()
        }
    }

    /// How many records of the load are so many MiB.
    private func count(of load: StoreLoad) -> Int { max(1, (mib << 20) / load.recordBytes) }

    private func appends() throws -> [StoreOutcome] {
        let load = StoreLoad(folder: folder("append"), bodyBytes: size, policy: .async)
        let limit = StoreLimit(folder: FilePath(directory), recordBytes: load.recordBytes)
        let count = count(of: load)
        var ours: [Double] = []
        var writes: [Double] = []
        var copies: [Double] = []
        for _ in 0..<rounds {
            writes.append(try limit.writes(count))
            copies.append(try limit.copies(count))
            let store = try load.open()
            let start = ContinuousClock.now
            try load.append(count, to: store, inFlight: 4096)
            ours.append(Double(count) / ((ContinuousClock.now - start) / .seconds(1)))
            store.close()
            remove(load.folder)
        }
        return [
            StoreOutcome(
                name: "append, async, \(size) B", unit: "records/s", ours: ours, limit: writes, against: "pwrite"),
            StoreOutcome(
                name: "append, async, \(size) B", unit: "records/s", ours: ours, limit: copies, against: "memcpy"),
        ]
    }

    private func syncs() throws -> StoreOutcome {
        let load = StoreLoad(folder: folder("sync"), bodyBytes: size, policy: .sync)
        let limit = StoreLimit(folder: FilePath(directory), recordBytes: load.recordBytes)
        var ours: [Double] = []
        var ideal: [Double] = []
        for _ in 0..<rounds {
            ideal.append(try limit.groupCommits(of: producers, seconds: seconds))
            let store = try load.open()
            ours.append(Double(try load.append(producers: producers, to: store, seconds: seconds)) / seconds)
            store.close()
            remove(load.folder)
        }
        return StoreOutcome(
            name: "append, sync, \(producers) producers, \(size) B", unit: "records/s", ours: ours, limit: ideal,
            against: "an ideal group commit")
    }

    private func reads() throws -> StoreOutcome {
        let load = StoreLoad(folder: folder("read"), bodyBytes: size, policy: .async)
        let store = try load.open()
        defer {
            store.close()
            remove(load.folder)
        }
        try load.append(count(of: load), to: store, inFlight: 4096)
        var rates: [Double] = []
        for _ in 0..<rounds {
            let start = ContinuousClock.now
            let bytes = try Self.readAll(store).bytes
            rates.append(Double(bytes) / ((ContinuousClock.now - start) / .seconds(1)) / 1e9)
        }
        return StoreOutcome(name: "sequential read from the page cache", unit: "GB/s", ours: rates)
    }

    /// Reads every queue to its end, in pieces of a pull's size.
    private static func readAll(_ store: MessageStore, atMost limit: Int = .max) throws -> (bytes: Int, reads: Int) {
        var (bytes, reads) = (0, 0)
        for queue in 0..<StoreLoad.queues {
            let key = QueueKey(topic: StoreLoad.topic, queueID: Int32(queue))
            var offset: Int64 = 0
            while reads < limit {
                let reading = try store.read(
                    QueueRequest(key: key, offset: offset, maximumCount: 32, maximumBytes: 256 << 10))
                guard reading.count > 0 else { break }
                bytes += reading.body.readableBytes
                reads += 1
                offset = reading.nextOffset
            }
        }
        return (bytes, reads)
    }

    private func allocations() throws -> [StoreOutcome] {
        let load = StoreLoad(folder: folder("allocations"), bodyBytes: size, policy: .async)
        let store = try load.open()
        defer {
            store.close()
            remove(load.folder)
        }
        let count = 20_000
        try load.append(count, to: store, inFlight: 256)
        _ = try Self.readAll(store)
        func counted(_ body: () throws -> Int) rethrows -> Double {
            let before = malloc_counter_count()
            malloc_counter_enable(1)
            defer { malloc_counter_enable(0) }
            let times = try body()
            return Double(malloc_counter_count() - before) / Double(times)
        }
        let appends = try (0..<rounds).map { _ in
            try counted {
                try load.append(count, to: store, inFlight: 256)
                return count
            }
        }
        let reads = try (0..<rounds).map { _ in try counted { try Self.readAll(store, atMost: 1000).reads } }
        return [
            StoreOutcome(name: "allocations for an append", unit: "allocations", ours: appends),
            StoreOutcome(name: "allocations for a read of 32 records", unit: "allocations", ours: reads),
        ]
    }
}

/// What keeps a measurement from being made, in one line.
struct StoreTrouble: Error {
    var text: String

    init(_ text: String) { self.text = text }
}

/// Removes a folder with all in it, following no link; what can't be removed stays.
func remove(_ folder: FilePath) {
    if let stream = opendir(folder.string) {
        while let entry = readdir(stream) {
            let isFolder = entry.pointee.d_type == UInt8(DT_DIR)
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard name != ".", name != ".." else { continue }
            if isFolder { remove(folder.appending(name)) } else { unlink(folder.appending(name).string) }
        }
        closedir(stream)
    }
    rmdir(folder.string)
}
