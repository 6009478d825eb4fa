import MQWire
import NIOCore

/// What the indexer's thread does: read the log behind the writer and add each message's keys to the index.
///
/// Owned by that thread alone, hence not `Sendable`.
final class IndexLoop {
    private let log: SegmentChain
    private let index: MessageIndex
    private let progress: StoreProgress
    private let layout: IndexLayout
    private var reader: LogReader
    private var isResumed = false
    /// Messages up to this offset are indexed already.
    private var lastOffset: Int64
    /// What the index file's header will say as soon as the log is synced that far.
    private var mark: (file: IndexFile, header: IndexHeader, logEnd: Int64)?
    /// The last header that was made durable.
    private var committed: IndexHeader?
    /// A sync has failed: nobody knows what the disk holds, so nothing is promised any more. A write that failed, on a full
    /// disk say, is done again.
    private var hasFailed = false

    /// The messages added to the index at once.
    private static let batchMessages = 1024

    init(log: SegmentChain, index: MessageIndex, progress: StoreProgress, layout: IndexLayout) {
        self.log = log
        self.index = index
        self.progress = progress
        self.layout = layout
        lastOffset = -1
        // What is not published yet must not be read, not even ahead: it may change.
        var source = log.source
        let fetch = source.fetch
        source.fetch = { offset, count throws(StoreError) in
            let readable = max(0, progress.writtenOffset - offset)
            return readable > 0 ? try fetch(offset, Int(min(Int64(count), readable))) : ByteBuffer()
        }
        // A body counts for nothing here, and who finds its message by a key reads it with its sum.
        reader = LogReader(source, position: log.firstOffset, verifiesChecksums: false)
    }

    /// How many bytes of the log are not indexed yet.
    var bytesBehind: Int64 { isResumed ? max(0, progress.writtenOffset - reader.position) : 1 }

    /// Indexes the next messages; `false` when there is nothing to do now: everything is indexed, or something is in
    /// the way that time may remove.
    func turn() -> Bool {
        do throws(StoreError) {
            if !isResumed { try resume() }
            let messages = try nextMessages()
            if !messages.isEmpty, !(try add(messages)) { return false }
        } catch {
            // The next turn reads again what could not be added.
            if isResumed { goBack() }
            return false
        }
        return reader.position < progress.writtenOffset
    }

    /// Whether the log holds messages with keys behind the one at `last`, or from its beginning on, and before `begin`.
    static func isGap(in log: SegmentChain, after last: Int64?, before begin: Int64) throws(StoreError) -> Bool {
        var reader = LogReader(
            log.source, position: max(last ?? log.firstOffset, log.firstOffset), verifiesChecksums: false)
        while reader.position < begin {
            switch try reader.next() {
            case .record(let record):
                if record.logOffset > last ?? -1, record.logOffset < begin, IndexedMessage(record) != nil {
                    return true
                }
            case .damaged, .nextSegment: continue
            case .unwritten, .torn:
                guard let boundary = try reader.nextBoundary() else { return false }
                reader.resume(at: boundary)
            }
        }
        return false
    }

    private func resume() throws(StoreError) {
        try index.resumeLast()
        isResumed = true
        goBack()
    }

    /// Reads on behind the last message that is in the index.
    private func goBack() {
        lastOffset = index.lastOffset ?? -1
        reader.resume(at: max(lastOffset, log.firstOffset))
    }

    private func nextMessages() throws(StoreError) -> [IndexedMessage] {
        // What is too old may have been removed meanwhile.
        if reader.position < log.firstOffset { reader.resume(at: log.firstOffset) }
        var messages: [IndexedMessage] = []
        var steps = 0
        while reader.position < progress.writtenOffset, steps < Self.batchMessages {
            let position = reader.position
            let (last, keys) = (lastOffset, layout.entryCount - 1)
            reader.skim { bytes in
                Self.takeKeys(bytes, at: position, after: last, atMost: keys, &steps, into: &messages)
            }
            if reader.position > position { continue }
            steps += 1
            switch try reader.next() {
            case .record(let record):
                guard record.logOffset > lastOffset, var message = IndexedMessage(record) else { continue }
                message.hashes.shorten(to: keys)
                messages.append(message)
            case .damaged, .nextSegment: continue
            case .unwritten, .torn: reader.resume(at: try reader.nextBoundary() ?? progress.writtenOffset)
            }
        }
        return messages
    }

    /// Takes the keys of the sound records at the front of `bytes`, until the batch is full; gives the bytes that they have.
    private static func takeKeys(
        _ bytes: UnsafeRawBufferPointer, at position: Int64, after last: Int64, atMost keys: Int, _ steps: inout Int,
        into messages: inout [IndexedMessage]
    ) -> Int {
        var taken = 0
        while steps < batchMessages {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[taken...])
            guard let glance = RecordGlance(rest, at: position + Int64(taken)) else { break }
            steps += 1
            taken += glance.size
            guard glance.logOffset > last, var message = IndexedMessage(glance, rest) else { continue }
            message.hashes.shorten(to: keys)
            messages.append(message)
        }
        return taken
    }

    /// Adds messages; `false` when a full file has to wait for the log's sync before the rest can be added.
    private func add(_ messages: [IndexedMessage]) throws(StoreError) -> Bool {
        var rest = messages[...]
        while let first = rest.first {
            guard let file = try index.fileForWriting(keys: first.hashes.count) else {
                guard try sealLast() else {
                    goBack()
                    return false
                }
                continue
            }
            var room = layout.entryCount - Int(file.header.nextEntry)
            let fitting = rest.prefix { message in
                room -= message.hashes.count
                return room >= 0
            }
            try file.append(Array(fitting))
            rest = rest.dropFirst(fitting.count)
            lastOffset = fitting.last?.logOffset ?? lastOffset
        }
        return true
    }

    /// Makes the full file durable; `false` when the log is not synced as far as it leads.
    private func sealLast() throws(StoreError) -> Bool {
        guard let file = index.all.last, !hasFailed, file.header.endOffset < progress.flushedOffset else {
            return false
        }
        do throws(StoreError) { try file.seal() } catch {
            hasFailed = file.hasFailedSync
            throw error
        }
        index.releaseLast()
        mark = nil
        return true
    }

    /// Makes durable what was indexed before the last call, as far as the log is synced.
    ///
    /// Never more than the log: after a power cut its end is somewhere else, and other messages stand there.
    func commit() {
        guard isResumed, !hasFailed, let file = index.all.last else { return }
        if let mark, mark.file === file {
            guard progress.flushedOffset >= mark.logEnd else { return }
            do throws(StoreError) {
                try file.commit(mark.header)
                committed = mark.header
            } catch { hasFailed = file.hasFailedSync }
            self.mark = nil
        }
        let header = file.header
        if header != committed, !header.isEmpty { mark = (file, header, reader.position) }
    }

    /// Completes the files on disk, when the store stops and its log is synced.
    func seal() -> Bool {
        guard isResumed, !hasFailed, let file = index.all.last else { return false }
        guard file.isOpenForWriting, !file.header.isEmpty, file.header.endOffset < progress.flushedOffset else {
            return false
        }
        do throws(StoreError) { try file.seal() } catch {
            hasFailed = file.hasFailedSync
            return false
        }
        return true
    }
}
