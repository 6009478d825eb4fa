import Glibc
import SystemPackage

/// The images behind the hosts' `/srv`: one template per filesystem and size, formatted once and copied sparsely.
struct HostDisk: Sendable {
    /// The smallest disk that both filesystems take (XFS refuses less than 300 MiB).
    static let minimumBytes: Int64 = 320 << 20

    /// Where images and templates are.
    let directory: FilePath
    let filesystem: HostFilesystem
    let bytes: Int64

    /// The image of a host.
    func image(_ name: String) -> FilePath { directory.appending("\(name).img") }

    private var template: FilePath { directory.appending("template-\(filesystem.rawValue)-\(bytes).fs") }

    /// Formats the template unless it is there.
    func prepareTemplate() throws(LocalHostsError) {
        if HostFiles.exists(template) { return }
        let new = FilePath(template.string + ".new")
        unlink(new.string)
        let descriptor = open(new.string, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw HostFiles.failure("create", new.string) }
        let result = ftruncate(descriptor, off_t(bytes))
        close(descriptor)
        guard result == 0 else { throw HostFiles.failure("size", new.string) }
        switch filesystem {
        case .ext4:
            try HostProgram.start([
                "mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard",
                new.string,
            ]).finish()
        case .xfs:
            try HostProgram.start(["mkfs.xfs", "-q", "-f", "-K", new.string]).finish()
        }
        // The log that mkfs wrote as zeros becomes a hole again: a copy then takes a few blocks.
        try HostProgram.start(["fallocate", "--dig-holes", new.string]).finish()
        guard rename(new.string, template.string) == 0 else { throw HostFiles.failure("replace", template.string) }
    }

    /// Gives a host its image unless it has one; an image is whole or not there.
    func prepare(_ name: String) throws(LocalHostsError) {
        let path = image(name)
        if HostFiles.exists(path) { return }
        let new = path.string + ".new"
        unlink(new)
        let from = open(template.string, O_RDONLY | O_CLOEXEC)
        guard from >= 0 else { throw HostFiles.failure("open", template.string) }
        defer { close(from) }
        let to = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard to >= 0 else { throw HostFiles.failure("create", new) }
        defer { close(to) }
        guard ftruncate(to, off_t(bytes)) == 0 else { throw HostFiles.failure("size", new) }
        var position: off_t = 0
        var piece = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let data = lseek(from, position, 3 /* SEEK_DATA, <unistd.h> with _GNU_SOURCE */)
            if data < 0 { break }
            let hole = lseek(from, data, 4 /* SEEK_HOLE */)
            guard hole > data else { break }
            var source = data
            while source < hole {
                let count = pread(from, &piece, min(piece.count, Int(hole - source)), source)
                guard count > 0, pwrite(to, &piece, count, source) == count else {
                    throw HostFiles.failure("write", new)
                }
                source += off_t(count)
            }
            position = hole
        }
        guard rename(new, path.string) == 0 else { throw HostFiles.failure("replace", path.string) }
    }

    /// Images in a directory, also half-copied ones; not the templates.
    static func images(in directory: FilePath) -> [FilePath] {
        HostFiles.names(directory).filter { $0.hasSuffix(".img") || $0.hasSuffix(".img.new") }.sorted()
            .map { directory.appending($0) }
    }

    /// Loop devices whose backing file is an image of this directory, removed ones included.
    static func loops(in directory: FilePath) -> [(device: String, image: String)] {
        HostFiles.names("/sys/block").filter { $0.hasPrefix("loop") }.compactMap { device in
            guard let file = HostFiles.text(FilePath("/sys/block/\(device)/loop/backing_file")),
                file.hasPrefix(directory.string + "/")
            else { return nil }
            return (device, String(file.split(separator: "\n").first ?? ""))
        }
    }

    /// Waits until nothing holds an image any more: what is mounted again before that is the old, dead filesystem.
    static func awaitRelease(of image: FilePath) throws(LocalHostsError) {
        let deadline = MonotonicClock.now() + 5_000_000_000
        while let loop = loops(in: image.removingLastComponent()).first(where: { $0.image == image.string }) {
            guard MonotonicClock.now() < deadline else {
                throw LocalHostsError(.stillThere, "/dev/\(loop.device) still holds \(image); see 'losetup -l'")
            }
            usleep(1_000)
        }
    }

    /// Mount points of such loop devices in this process's mount namespace.
    static func mounts(of loops: [(device: String, image: String)]) -> [String] {
        let devices = Set(loops.map { "/dev/\($0.device)" })
        let mounts = HostFiles.text("/proc/self/mounts") ?? ""
        return mounts.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            return fields.count > 1 && devices.contains(String(fields[0])) ? String(fields[1]) : nil
        }
    }

    /// Detaches what still holds an image; the hosts' own loops end by themselves with the last unmount.
    static func release(in directory: FilePath) throws(LocalHostsError) {
        let deadline = MonotonicClock.now() + 5_000_000_000
        var isFirst = true
        while true {
            let loops = loops(in: directory)
            if loops.isEmpty { return }
            for mount in mounts(of: loops) { umount2(mount, CInt(MNT_DETACH)) }
            if !isFirst {
                for loop in loops {
                    let descriptor = open("/dev/" + loop.device, O_RDWR | O_CLOEXEC)
                    if descriptor >= 0 {
                        _ = ioctl(descriptor, 0x4C01 /* LOOP_CLR_FD, <linux/loop.h> */, 0)
                        close(descriptor)
                    }
                }
            }
            isFirst = false
            guard MonotonicClock.now() < deadline else {
                let names = loops.map { "/dev/\($0.device)" }.joined(separator: ", ")
                throw LocalHostsError(.stillThere, "\(names) still hold disks of this lab; see 'losetup -l'")
            }
            usleep(2_000)
        }
    }
}
