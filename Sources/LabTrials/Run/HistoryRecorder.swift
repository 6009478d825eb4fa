import Glibc
public import LabHistory
import Synchronization
public import SystemPackage

/// Writes a run's history: every event in the order in which it was recorded, to an append-only file.
///
/// An event is encoded and queued under the lock, and its time is read there too, so that the file's times go backward
/// only where a host's reading came late. A batch reaches the file when it is full, at `flush()`, and at least every `flushInterval` while
/// `keepFlushing()` runs: a controller that is killed loses at most that much of the history, and the line that it
/// was writing is recognised as torn by `HistoryFormat`.
public final class HistoryRecorder: Sendable {
    /// A full batch is written at once; at 200 bytes a line this is about 300 events.
    static let batchBytes = 64 * 1024
    public static let flushInterval = Duration.milliseconds(50)

    private struct State {
        var pending: [UInt8] = []
        var tally = SendTally()
        var lines = 0
        var failure: (any Error)?
        var closed = false
    }

    private let descriptor: FileDescriptor
    private let clock: RunClock
    private let state = Mutex(State())

    /// - Throws: `Errno` when the file can't be made; it must not exist.
    public init(path: FilePath, clock: RunClock) throws {
        descriptor = try FileDescriptor.open(
            path, .writeOnly, options: [.create, .exclusiveCreate, .append],
            permissions: [.ownerReadWrite, .groupRead, .otherRead])
        self.clock = clock
    }

    /// Appends one event.
    /// - Parameter nanoseconds: when it happened on the run's clock; nil for now.
    public func record(_ body: HistoryEvent.Body, at nanoseconds: Int64? = nil) {
        state.withLock { state in
            guard !state.closed else { return }
            state.tally.count(body)
            state.lines += 1
            var body = body
            if case .end(var end) = body {
                end.lines = state.lines
                body = .end(end)
            }
            state.pending += HistoryFormat.encode(HistoryEvent(atNanoseconds: nanoseconds ?? clock.nanoseconds, body))
            if state.pending.count >= Self.batchBytes { write(&state) }
        }
    }

    /// How many attempts came out how, so far.
    public var tally: SendTally { state.withLock { $0.tally } }

    /// Nanoseconds of the run, as the next event would be stamped.
    public var now: Int64 { clock.nanoseconds }

    public func flush() { state.withLock { write(&$0) } }

    /// Flushes at every interval until the task is cancelled.
    public func keepFlushing() async {
        while !Task.isCancelled {
            flush()
            try? await Task.sleep(for: Self.flushInterval)
        }
    }

    /// Writes what is left, makes it durable and closes the file.
    /// - Throws: the first error met while writing: a history with a hole must not be judged.
    public func close() throws {
        try state.withLock { state in
            guard !state.closed else { return }
            write(&state)
            if fsync(descriptor.rawValue) != 0 { state.failure = state.failure ?? Errno(rawValue: errno) }
            state.closed = true
            defer { try? descriptor.close() }
            if let failure = state.failure { throw failure }
        }
    }

    private func write(_ state: inout State) {
        guard !state.pending.isEmpty else { return }
        // After a hole nothing more is written, so that the file has no end and can't be judged as a whole one.
        guard state.failure == nil else { return state.pending.removeAll() }
        do {
            _ = try descriptor.writeAll(state.pending)
        } catch {
            state.failure = state.failure ?? error
        }
        state.pending.removeAll(keepingCapacity: true)
    }
}

/// A running count of attempts, for progress bars; the verdict is drawn from the file.
public struct SendTally: Sendable, Equatable {
    public var invoked = 0
    public var ok = 0
    public var weak = 0
    public var failed = 0
    public var unknown = 0
    public var delivered = 0

    mutating func count(_ body: HistoryEvent.Body) {
        switch body {
        case .invoke: invoked += 1
        case .deliver: delivered += 1
        case .complete(let completion):
            switch completion.outcome {
            case .ok: ok += 1
            case .weak: weak += 1
            case .fail: failed += 1
            case .info: unknown += 1
            }
        default: break
        }
    }
}
