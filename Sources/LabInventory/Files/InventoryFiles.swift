import LabText
import SystemPackage

/// The files of an inventory: the inputs, folders of inputs, and `group_vars/` and `host_vars/` beside them.
struct InventoryFiles {
    /// The largest file that is read.
    static let limitBytes = 16 * 1024 * 1024
    private static let variableEndings = ["", ".yml", ".yaml", ".json"]
    private static let ignoredEndings = ["~", ".orig", ".bak", ".cfg", ".retry", ".md", ".pub"]

    /// Reads the inputs in order; what comes later wins.
    static func read(_ paths: [FilePath]) throws(InventoryError) -> RawInventory {
        var raw = RawInventory()
        var folders: [FilePath] = []
        for path in paths {
            for file in try files(of: path) {
                try read(file, into: &raw)
                let folder = file.removingLastComponent()
                if !folders.contains(folder) { folders.append(folder) }
            }
        }
        for folder in folders {
            for name in ["all", "ungrouped"] + raw.groupOrder where name != "all" || raw.groups["all"] == nil {
                raw.touch(group: name, at: Place(file: folder.string, line: 0))
            }
            for name in raw.groupOrder {
                for (key, value) in try variables(folder.appending("group_vars").appending(name)) {
                    raw.groups[name]?.fileVariables[key] = value
                }
            }
            for name in raw.hostOrder {
                for (key, value) in try variables(folder.appending("host_vars").appending(name)) {
                    raw.hosts[name]?.fileVariables[key] = value
                }
            }
        }
        return raw
    }

    private static func read(_ file: FilePath, into raw: inout RawInventory) throws(InventoryError) {
        guard let text = try text(of: file) else {
            throw InventoryError(
                .unreadable, "there is no such inventory (give one with -i, or make one with 'seatrial hosts up')",
                location: file.string)
        }
        if isYAML(file, text) {
            try YAMLInventory(file: file.string).read(text, into: &raw)
        } else {
            try INIInventory(file: file.string).read(text, into: &raw)
        }
    }

    /// By its ending, else by its first line that is not a comment: `---` or a word with a colon is YAML.
    private static func isYAML(_ file: FilePath, _ text: String) -> Bool {
        switch file.extension {
        case "yaml", "yml", "json": return true
        case "ini": return false
        default: break
        }
        let first = text.split(separator: "\n").map(\.trimmed).first { !$0.isEmpty && !$0.hasPrefix("#") } ?? ""
        return first.hasPrefix("---") || first.hasPrefix("{") || (first.hasSuffix(":") && !first.contains(" "))
    }

    /// The file itself, or the files in a folder by name, without its `group_vars` and `host_vars`.
    private static func files(of path: FilePath) throws(InventoryError) -> [FilePath] {
        guard let names = Folder.names(path) else { return [path] }
        let files = names.filter { name in
            !name.hasPrefix(".") && name != "group_vars" && name != "host_vars"
                && !ignoredEndings.contains { name.hasSuffix($0) }
        }
        guard !files.isEmpty else {
            throw InventoryError(.unreadable, "the folder holds no inventory", location: path.string)
        }
        return files.flatMap { name -> [FilePath] in
            let file = path.appending(name)
            return Folder.names(file) == nil ? [file] : []
        }
    }

    /// The variables of `NAME`, `NAME.yaml` and so on, or of all files in the folder `NAME/`.
    private static func variables(_ base: FilePath) throws(InventoryError) -> [(String, PlacedValue)] {
        var found: [(String, PlacedValue)] = []
        for ending in variableEndings {
            let path = FilePath(base.string + ending)
            let names = ending.isEmpty ? Folder.names(path) : nil
            let files = names?.filter { !$0.hasPrefix(".") }.map { path.appending($0) } ?? [path]
            for file in files {
                guard let text = try text(of: file) else { continue }
                let yaml = YAMLText(file: file.string)
                guard let root = try yaml.compose(text), !root.isNull else { continue }
                guard let mapping = root.mapping else {
                    throw InventoryError(.invalid, "expected variables (name: value)", at: yaml.place(root))
                }
                for entry in mapping {
                    let value = PlacedValue(value: try yaml.value(entry.value), place: yaml.place(entry.value))
                    found.append((entry.key.text ?? "", value))
                }
            }
        }
        return found
    }

    /// A file's text with plain line ends, or nil if there is none.
    static func text(of file: FilePath) throws(InventoryError) -> String? {
        do {
            let text = try TextFile.read(file, limitBytes: limitBytes)
            return text.utf8.contains(13) ? String(decoding: text.utf8.filter { $0 != 13 }, as: UTF8.self) : text
        } catch {
            if error == .missing { return nil }
            throw InventoryError(.unreadable, "\(error)", location: file.string)
        }
    }
}
