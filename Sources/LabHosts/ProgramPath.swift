import Glibc
import SystemPackage

/// Where this program is: what a shell would have to be given when it is not on the path.
enum ProgramPath {
    /// The program as it was called when that was by a path, else where the kernel found it.
    ///
    /// `sudo` has a path of its own and knows no aliases, so that a bare name would not be found.
    static let own: String = {
        let called = CommandLine.arguments.first ?? "seatrial"
        return called.contains("/") ? called : executable.string
    }()

    /// Where the kernel found it: what a process elsewhere can start.
    static let executable: FilePath = {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let length = readlink("/proc/self/exe", &buffer, Int(PATH_MAX))
        guard length > 0 else { return FilePath(CommandLine.arguments.first ?? "seatrial") }
        return FilePath(String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }()
}
