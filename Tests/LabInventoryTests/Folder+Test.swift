import Glibc
import SystemPackage

@testable import LabInventory

/// A folder with an inventory in it, gone when the test is.
final class TestFolder {
    let path: FilePath

    /// - Parameter files: Paths below the folder, with their texts.
    init(_ files: [String: String]) throws {
        var template = Array("/tmp/seatrial-inventory-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
        path = FilePath(String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
        for (name, text) in files {
            var folder = path
            for part in name.split(separator: "/").dropLast() {
                folder.append(String(part))
                mkdir(folder.string, 0o700)
            }
            let file = path.appending(name)
            let descriptor = try FileDescriptor.open(
                file, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
            try descriptor.closeAfter { _ = try descriptor.writeAll(text.utf8) }
        }
    }

    deinit { remove(path) }

    private func remove(_ path: FilePath) {
        for name in Folder.names(path) ?? [] { remove(path.appending(name)) }
        Glibc.remove(path.string)
    }

    func load(
        _ names: String..., sshConfig: String? = nil, resolves: @escaping @Sendable (String) -> Bool = { _ in true }
    ) throws(InventoryError) -> Inventory {
        try Inventory.load(
            names.map { path.appending($0) }, sshConfig: sshConfig.map { path.appending($0) },
            environment: InventoryEnvironment(home: "/home/me", user: "me", resolves: resolves))
    }

    /// An error's line without the folder's own path.
    func line(_ error: InventoryError?) -> String {
        let text = error?.description ?? "no error"
        return text.hasPrefix(path.string) ? String(text.dropFirst(path.string.count + 1)) : text
    }
}

extension Inventory {
    /// From one text, in a file of that name.
    static func of(_ text: String, name: String = "i.yaml") throws -> Inventory {
        try TestFolder([name: text]).load(name)
    }
}
