public import SystemPackage

/// The system under trial, as files and commands: ours by default.
///
/// The lab treats it as a black box that is started with a configuration file and listens on a port.
public struct Subject: Sendable, Equatable {
    public var name: String
    /// Program of each role, on the controller.
    public var nameserver: FilePath
    public var broker: FilePath
    /// Reads a broker's store without the broker; always ours.
    public var scanner: FilePath
    /// etcd as this machine has it, for hosts that have none; nil when there is none here either.
    public var etcd: FilePath?

    /// Our own daemons, from the folder in which they were built.
    /// - Throws: `.missingBinary` with the command that builds it.
    public static func ours(in folder: FilePath) throws(ClusterError) -> Subject {
        Subject(
            name: "seatrial",
            nameserver: try ProgramFile.require("mqnamesrv", in: folder),
            broker: try ProgramFile.require("mqbroker", in: folder),
            scanner: try ProgramFile.require("mqadmin", in: folder), etcd: EtcdProgram.onController(beside: folder))
    }
}

/// Programs that stand beside the controller's own.
public enum ProgramFile {
    /// - Throws: `.missingBinary`; what is there and can't be read is told with the system's own reason.
    public static func require(_ name: String, in folder: FilePath) throws(ClusterError) -> FilePath {
        let path = folder.appending(name)
        do {
            try FileDescriptor.open(path, .readOnly).close()
        } catch Errno.noSuchFileOrDirectory {
            throw ClusterError(.missingBinary, "\(path): not there; build it with 'make build'")
        } catch {
            throw ClusterError(.missingBinary, "\(path): can't be read (\(error)); see to it, or build it anew")
        }
        return path
    }
}
