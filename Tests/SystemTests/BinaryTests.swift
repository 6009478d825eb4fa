import Glibc
import SystemPackage
import Testing

/// The programs are small; what is deployed to hosts runs on a bare Debian besides.
@Suite struct BinaryTests {
    static let deployed = ["mqnamesrv", "mqbroker", "mqadmin", "seatrial-agent"]
    static let limitBytes = 25_000_000
    /// Libraries of Debian's `libc6`, `libgcc-s1` and `libstdc++6`, which every installation has.
    static let bare: Set<String> = [
        "linux-vdso.so.1", "libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1",
        "libgcc_s.so.1", "libstdc++.so.6",
    ]

    @Test(arguments: deployed + ["seatrial"]) func isSmall(_ name: String) throws {
        var status = stat()
        try #require(stat(Program.path(name).string, &status) == 0, "\(name) is not built")
        #expect(status.st_size <= Self.limitBytes, "\(name) has \(status.st_size) bytes")
    }

    @Test(arguments: deployed) func bringsItsRuntime(_ name: String) async throws {
        let ldd = try await Program.run(at: "/usr/bin/ldd", [Program.path(name).string])
        try #require(ldd.status == 0, "\(ldd)")
        let libraries = ldd.output.split(separator: "\n").compactMap { $0.split(separator: " ").first }
            .map { $0.trimmingPrefix("\t") }.filter { !$0.hasPrefix("/") }.map(String.init)
        #expect(libraries.count >= 2, "\(ldd)")
        #expect(Set(libraries).subtracting(Self.bare).isEmpty, "\(name) needs \(libraries)")
    }
}
