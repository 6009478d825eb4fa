import Glibc
import MQWire
import NIOCore
import SystemPackage

/// Where a broadcasting member keeps how far it has come: a file of its own, replaced as a whole.
struct OffsetStore: Sendable {
    /// A file of offsets is larger only by mistake.
    static let limitBytes = 64 << 20

    private let file: FilePath

    init(folder: String, group: String) {
        // A group's name is a file's name as long as it has no slash.
        let name = String(group.map { $0 == "/" ? "_" : $0 })
        file = FilePath(folder).appending("\(name).offsets.json")
    }

    /// What was kept; nothing when there is no file yet.
    func load() throws(MQClientError) -> [MessageQueue: Int64] {
        do {
            let json = try JSONValue(parsing: ByteBuffer(bytes: try read()))
            var offsets: [MessageQueue: Int64] = [:]
            for entry in json.arrayValue ?? [] {
                let queue = try QueueIdentity(json: entry)
                guard let offset = entry["offset"]?.integerValue else { continue }
                offsets[MessageQueue(topic: queue.topic, brokerName: queue.brokerName, queueID: queue.queueID)] = offset
            }
            return offsets
        } catch Errno.noSuchFileOrDirectory {
            return [:]
        } catch {
            throw .invalid(reason: "\(file) can't be read as offsets: \(error) (repair it, or remove it to start anew)")
        }
    }

    func save(_ offsets: [MessageQueue: Int64]) throws(MQClientError) {
        let entries = offsets.sorted { $0.key < $1.key }.map { queue, offset in
            JSONValue.object([
                JSONMember("topic", .string(queue.topic)), JSONMember("brokerName", .string(queue.brokerName)),
                JSONMember("queueId", .integer(Int64(queue.queueID))), JSONMember("offset", .integer(offset)),
            ])
        }
        do {
            let folder = file.removingLastComponent()
            if mkdir(folder.string, 0o755) != 0, errno != EEXIST { throw Errno(rawValue: errno) }
            let new = FilePath(file.string + ".new")
            let descriptor = try FileDescriptor.open(
                new, .writeOnly, options: [.create, .truncate, .closeOnExec],
                permissions: [.ownerReadWrite, .groupRead])
            try descriptor.closeAfter {
                _ = try descriptor.writeAll(JSONValue.array(entries).encoded().readableBytesView)
                guard fdatasync(descriptor.rawValue) == 0 else { throw Errno(rawValue: errno) }
            }
            guard rename(new.string, file.string) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            throw .invalid(reason: "\(file) can't be written: \(error) (make its folder writable)")
        }
    }

    private func read() throws -> [UInt8] {
        let descriptor = try FileDescriptor.open(file, .readOnly, options: [.closeOnExec])
        return try descriptor.closeAfter {
            var bytes: [UInt8] = []
            var piece = [UInt8](repeating: 0, count: 64 * 1024)
            while true {
                let count = try piece.withUnsafeMutableBytes { try descriptor.read(into: $0) }
                if count == 0 { return bytes }
                bytes += piece[..<count]
                if bytes.count > Self.limitBytes { throw Errno.fileTooLarge }
            }
        }
    }
}
