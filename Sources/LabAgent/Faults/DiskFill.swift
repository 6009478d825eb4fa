import Glibc

/// A filesystem filled to its last block by one file, and given back by removing it.
///
/// The blocks are allocated and not written (`posix_fallocate`): filling gigabytes takes milliseconds, and an image behind a
/// loop device does not grow. What else frees blocks meanwhile, as a journal's commit does, is taken as well, so that a
/// disk that was seen full stays full.
struct DiskFill: Sendable {
    /// The largest piece that is asked for at once.
    private static let largestPiece: off_t = 1 << 30
    private static let smallestPiece: off_t = 4096
    /// How often everything that is free is taken before the probe must fail twice in a row.
    private static let maximumRounds = 50
    /// Bytes that the probe writes: one block of every filesystem that a lab has.
    private static let probeBytes = 4096

    let root: AgentRoot
    /// The directory whose filesystem is filled, below the root.
    let directory: String
    let uid: String

    /// The file that takes the space lies in the directory itself, and so on its filesystem beyond doubt.
    private var name: String { ".seatrial-fill-\(uid)" }
    private var probeName: String { ".seatrial-probe-\(uid)" }

    /// Takes all that is free.
    /// - Returns: whether a write was seen to find no space, twice with nothing freed in between.
    func fill() throws(AgentFailure) -> Bool {
        let place = try root.directory(root.components(directory), of: directory)
        defer { close(place) }
        let file = openat(place, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw AgentRoot.failure("make", "\(directory)/\(name)") }
        defer { close(file) }
        var refusals = 0
        for _ in 0..<Self.maximumRounds {
            let taken = try take(file)
            // What was freed comes back with the filesystem's next commit, which a directory that was changed makes.
            fsync(place)
            refusals = try !hasSpace(place) ? (taken == 0 ? refusals + 1 : 1) : 0
            if refusals == 2 { return true }
        }
        return false
    }

    /// Gives it back, and waits until a write is seen to succeed.
    func free() throws(AgentFailure) {
        let place: CInt
        // A directory that is gone has no file of ours either.
        do { place = try root.directory(root.components(directory), of: directory) } catch
            where error.code == .notFound
        { return }
        defer { close(place) }
        for name in [name, probeName] where unlinkat(place, name, 0) != 0 && errno != ENOENT {
            throw AgentRoot.failure("remove", "\(directory)/\(name)")
        }
        // Some filesystems free a removed file's blocks a moment later.
        let deadline = HostClock.monotonicNanoseconds() + AgentLimits.faultProbeMilliseconds * 1_000_000
        while try !hasSpace(place) {
            guard HostClock.monotonicNanoseconds() < deadline else {
                throw AgentFailure(
                    .system, "the disk of '\(directory)' is still full, though not of this fault: make room there")
            }
            fsync(place)
            usleep(2_000)
        }
    }

    /// Bytes that could be had, in pieces down to a block.
    private func take(_ file: CInt) throws(AgentFailure) -> off_t {
        var info = stat()
        guard fstat(file, &info) == 0 else { throw AgentRoot.failure("look at", "\(directory)/\(name)") }
        var (piece, taken) = (Self.largestPiece, off_t(0))
        while piece >= Self.smallestPiece {
            switch posix_fallocate(file, info.st_size + taken, piece) {
            case 0: taken += piece
            case ENOSPC: piece /= 2
            case EINTR: break
            case let reason:
                errno = reason
                throw AgentRoot.failure("fill the disk of", directory)
            }
        }
        return taken
    }

    /// Whether a new file of a block can be written and synced.
    private func hasSpace(_ place: CInt) throws(AgentFailure) -> Bool {
        let file = openat(place, probeName, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            if errno == ENOSPC { return false }
            throw AgentRoot.failure("probe", directory)
        }
        defer {
            close(file)
            unlinkat(place, probeName, 0)
        }
        let block = [UInt8](repeating: 1, count: Self.probeBytes)
        let count = write(file, block, block.count)
        // A short write, too, is one that found no more space.
        if count >= 0, count < block.count { return false }
        if count == block.count, fsync(file) == 0 { return true }
        guard errno == ENOSPC else { throw AgentRoot.failure("probe", directory) }
        return false
    }
}
