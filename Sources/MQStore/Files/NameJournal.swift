import Synchronization
import SystemPackage

/// The directories whose names changed and are not durable yet.
///
/// Data of a file whose name was lost is lost with it, however often the file was synced; and so is what lies in a
/// directory that was lost.
final class NameJournal: Sendable {
    private let io: any StorageIO
    private let unsynced = Mutex(Directories())
    /// One at a time: whoever finds nothing to sync must not come back before the one who took it has synced it. And once
    /// failed, for ever: a directory that could not be synced is clean to the next attempt, and as lost as before.
    private let turn = DiskMutex<StoreError?>(nil)

    /// In the order in which they were noted; a store may have tens of thousands.
    private struct Directories: Sendable {
        var inOrder: [FilePath] = []
        var known: Set<FilePath> = []
    }

    init(io: any StorageIO) { self.io = io }

    /// Names in these directories changed, or may have been changed by a process that was killed.
    func note(_ directories: [FilePath]) {
        guard !directories.isEmpty else { return }
        unsynced.withLock { unsynced in
            for directory in directories where unsynced.known.insert(directory).inserted {
                unsynced.inOrder.append(directory)
            }
        }
    }

    /// A directory and all below it are gone.
    func forget(_ directory: FilePath) {
        unsynced.withLock { unsynced in
            unsynced.inOrder.removeAll { $0.starts(with: directory) }
            unsynced.known = Set(unsynced.inOrder)
        }
    }

    /// Makes the names durable; after an error no later call may say that they are, but for ``retry()``.
    func sync() throws(StoreError) {
        let failure: StoreError? = turn.withLock { failed in
            if failed == nil {
                do throws(StoreError) { try syncAll() } catch { failed = error }
            }
            return failed
        }
        if let failure { throw failure }
    }

    private func syncAll() throws(StoreError) {
        let directories = unsynced.withLock { unsynced in
            defer { unsynced = Directories() }
            return unsynced.inOrder
        }
        for (index, directory) in directories.enumerated() {
            do throws(StoreError) { try io.syncDirectory(directory) } catch {
                // Removed meanwhile, with its topic: nothing of it is left to be made durable.
                guard error.cause == .noSuchFileOrDirectory else {
                    note(Array(directories[index...]))
                    throw error
                }
            }
        }
    }

    /// Whether the names could not be made durable.
    var hasFailed: Bool { turn.withLock { $0 != nil } }

    /// Has the directories that could not be synced synced again, as a new process would: for names that follow from
    /// something else.
    func retry() { turn.withLock { $0 = nil } }
}
