import SystemPackage

/// Refuses a store that the configuration does not fit, or that lacks what was in it, before any file is changed.
///
/// 1. Segments of another size than the configured one. A lone first file that is shorter could as well be one that was
///    being made; the reach says which size it was, and without one a clean stop leaves no file half made.
/// 2. A log that lacks a file between others, or is shorter than what was synced: files are gone, or lost their ends. What was acknowledged is
///    missing, and only its owner can know whether it is somewhere else.
struct LayoutCheck {
    let configuration: StoreConfiguration
    let log: SegmentChain
    let queues: QueueTable
    let notes: StoreNotes
    let wasCleanStop: Bool

    func run() throws(StoreError) {
        try checkSizes()
        // Without a checkpoint its owner has decided to go on without it.
        if let path = log.firstMissing, notes.hasCheckpoint {
            throw missing(path, "the file is missing", notes.syncedTo ?? log.endOffset)
        }
        if let reach = notes.reach { try checkReach(reach) }
    }

    private func checkSizes() throws(StoreError) {
        if let reach = notes.reach {
            if reach.segmentBytes != log.segmentBytes, !log.all.isEmpty {
                throw Self.misfit(
                    log.directory, "segments of \(reach.segmentBytes) bytes", "mappedFileSizeCommitLog",
                    found: log.segmentBytes, wanted: reach.segmentBytes)
            }
            let width = QueueEntry.encodedSize
            if reach.entriesPerQueueFile != configuration.entriesPerQueueFile, !queues.all.isEmpty {
                throw Self.misfit(
                    configuration.consumeQueueDirectory, "files of \(reach.entriesPerQueueFile) entries",
                    "mappedFileSizeConsumeQueue", found: configuration.entriesPerQueueFile * width,
                    wanted: reach.entriesPerQueueFile * width)
            }
            return
        }
        // Without a checkpoint the store is opened with what there is (StoreNotes).
        guard wasCleanStop, notes.hasCheckpoint else { return }
        for segment in log.all where segment.isShort && segment.foundBytes > 0 {
            throw StoreError(
                .layout, path: segment.path,
                message: "the file has \(segment.foundBytes) bytes, and segments are set to \(segment.size) "
                    + "(mappedFileSizeCommitLog); set the size it was written with, or put back what it lost")
        }
    }

    private static func misfit(
        _ path: FilePath, _ what: String, _ setting: String, found: Int64, wanted: Int64
    ) -> StoreError {
        StoreError(
            .layout, path: path,
            message: "these were written as \(what), and \(setting) is \(found); set it to \(wanted)")
    }

    private func checkReach(_ reach: SyncedReach) throws(StoreError) {
        let end = reach.logOffset
        for segment in log.all where segment.baseOffset + segment.foundBytes < min(end, segment.endOffset) {
            throw missing(segment.path, "the file ends \(segment.size - segment.foundBytes) bytes too early", end)
        }
        guard end > log.endOffset else { return }
        let base = max(log.endOffset, (end - 1) / log.segmentBytes * log.segmentBytes)
        throw missing(log.directory.appending(Segment.name(base)), "the file is missing", end)
    }

    private func missing(_ path: FilePath, _ what: String, _ end: Int64) -> StoreError {
        StoreError(
            .broken, path: path,
            message: "\(what): the log went on to byte \(end), all of it synced, and acknowledged messages are gone. "
                + "Put the file back, or remove \(configuration.checkpointFile) to go on without them: "
                + "their queue offsets are not given again")
    }
}
