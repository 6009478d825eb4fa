import Logging
import MQStore

/// What becomes of the store at a start and at a stop, as lines of the log; `docs/daemons.md` says what they mean.
struct StoreLog {
    let logger: Logger

    /// A walk that takes its time.
    func tell(_ progress: RecoveryProgress) {
        logger.info(
            "recovering the store",
            metadata: [
                "walkedMiB": "\(progress.walkedBytes >> 20)", "atMostMiB": "\(progress.atMostBytes >> 20)",
                "records": "\(progress.records)",
            ])
    }

    /// What a start found.
    func tell(_ recovery: RecoveryReport, tookNanoseconds: Int64) {
        var metadata: Logger.Metadata = [
            "logEndByte": "\(recovery.logEnd)", "checkedFromByte": "\(recovery.walkedFrom)",
            "checkedRecords": "\(recovery.walkedRecords)", "queueEntriesMadeAnew": "\(recovery.rebuiltEntries)",
            "tookMilliseconds": "\(tookNanoseconds / 1_000_000)",
        ]
        if let reason = recovery.tornReason {
            metadata["torn"] = "\(reason)"
            logger.warning("the log's torn tail was cut", metadata: metadata)
        } else if recovery.wasCleanStop, recovery.logEnd == 0 {
            logger.info("the store is opened, and empty", metadata: metadata)
        } else if recovery.wasCleanStop {
            logger.info("the store is opened after a clean stop", metadata: metadata)
        } else {
            logger.info("the store is recovered after a crash: its log was checked to its end", metadata: metadata)
        }
        if !recovery.lackingQueues.isEmpty {
            logger.error(
                "queues had lost entries; they are made anew from the log, as far as it reaches",
                metadata: ["queues": "\(recovery.lackingQueues)"])
        }
        if !recovery.lostPieces.isEmpty {
            logger.error(
                "files of the log were missing or cut short; the messages that were in them are gone",
                metadata: ["bytes": "\(recovery.lostPieces)"])
        }
        if !recovery.unreadablePlaces.isEmpty {
            logger.error(
                "the disk cannot read places of the log, and should be replaced",
                metadata: ["places": "\(recovery.unreadablePlaces)"])
        }
        if !recovery.unreadableNotes.isEmpty {
            logger.error(
                "the disk cannot read notes of the store, and should be replaced; the start went on without them",
                metadata: ["files": "\(recovery.unreadableNotes)"])
        }
        if !recovery.damagedOffsets.isEmpty {
            logger.error(
                "records are damaged and kept from readers", metadata: ["logOffsets": "\(recovery.damagedOffsets)"])
        }
    }

    /// How the store was left.
    func tellClosed(isClean: Bool) {
        if isClean {
            logger.info("the store is closed: all of it is on the disk")
        } else {
            logger.warning("the store is closed, and not all of it may be on the disk: the next start recovers it")
        }
    }
}
