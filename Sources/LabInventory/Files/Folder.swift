import Glibc
import SystemPackage

/// A folder's entries.
enum Folder {
    /// The names in it, sorted; nil if there is no such folder.
    static func names(_ path: FilePath) -> [String]? {
        guard let stream = opendir(path.string) else { return nil }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { field in
                field.withMemoryRebound(to: CChar.self, capacity: Int(entry.pointee.d_reclen)) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
