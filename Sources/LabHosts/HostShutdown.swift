import Glibc
import SystemPackage

/// A host's filesystem at the moment its power goes.
///
/// Model: what the filesystem has handed to the disk is there afterwards, and nothing else is: dirty pages, of writes and
/// of mappings alike, and the part of the filesystem's own log that is still in memory are gone. What was synced is kept.
/// A volatile cache inside the disk is not modelled: the loop device keeps all that reached it.
struct HostShutdown: Sendable {
    /// `FS_IOC_SHUTDOWN` = `_IOR('X', 125, __u32)`, of <linux/fs.h>; ext4's and XFS's own names have the same number.
    private static let request: UInt = 0x8004_587D
    /// `FS_SHUTDOWN_FLAGS_NOLOGFLUSH`: not even the log is written.
    private static let noLogFlush: UInt32 = 2
    /// `LOOP_MAJOR` of <linux/major.h>.
    private static let loopMajor: UInt64 = 7

    /// The host's PID 1, in whose mount namespace the disk is.
    let pid: pid_t
    /// The image behind the disk.
    let image: FilePath

    /// Shuts the filesystem down; from here on nothing reaches the image any more, whoever asks.
    /// - Returns: false when the host has not mounted its disk, as when it was killed in its boot.
    func perform() throws(LocalHostsError) -> Bool {
        let path = "/proc/\(pid)/root/srv"
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        // It may just have died: then there is nothing that could be lost any more.
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        guard try isImage(descriptor) else { return false }
        var flag = Self.noLogFlush
        guard ioctl(descriptor, Self.request, &flag) == 0 else { throw HostFiles.failure("cut the power of", path) }
        return true
    }

    /// Whether it is the host's own disk. A host that was killed before its mounts shows the machine's directory there,
    /// and that filesystem is nobody's to shut down.
    private func isImage(_ descriptor: CInt) throws(LocalHostsError) -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw HostFiles.failure("look at", "/srv of process \(pid)") }
        // <sys/sysmacros.h>, as glibc splits a device number.
        let device = UInt64(status.st_dev)
        let major = (device >> 8) & 0xFFF | (device >> 32) & ~0xFFF
        let minor = device & 0xFF | (device >> 12) & ~0xFF
        guard major == Self.loopMajor else { return false }
        let file = HostFiles.text(FilePath("/sys/dev/block/\(major):\(minor)/loop/backing_file"))
        return file?.split(separator: "\n").first.map(String.init) == image.string
    }
}
