import LabText
public import SystemPackage

/// The labs of a folder, `labs/` of the project as a rule.
public struct LabCatalogue: Sendable {
    public var folder: FilePath
    /// Names of the labs' folders, as `01-first-message`, by number.
    public var names: [String]

    /// Lists the folder; a lab is a subfolder `NN-name` with a `lab.yaml` in it.
    /// - Throws: `CourseError` when the folder can't be listed.
    public init(folder: FilePath) throws(CourseError) {
        self.folder = folder
        names = try CourseFile.entries(of: folder).filter { name in
            Self.number(of: name) != nil && CourseFile.exists(folder.appending(name).appending("lab.yaml"))
        }
    }

    /// The lab that a user means by `1`, `01`, `first-message` or `01-first-message`.
    /// - Throws: `CourseError` of code `unknownLab` that names the nearest, or the first thing wrong in its files.
    public func lab(_ wanted: String) throws(CourseError) -> Lab {
        try LabLoader.load(folder: folder.appending(name(wanted)))
    }

    /// All labs, by number.
    public func labs() throws(CourseError) -> [Lab] {
        var labs: [Lab] = []
        for name in names { labs.append(try LabLoader.load(folder: folder.appending(name))) }
        return labs
    }

    private func name(_ given: String) throws(CourseError) -> String {
        // A path to the lab's folder, as the shell completes it.
        let component = FilePath(given).lastComponent?.string
        let wanted = component.flatMap { names.contains($0) ? $0 : nil } ?? given
        let matches = names.filter { name in
            name == wanted || Self.title(of: name) == wanted
                || Int(wanted).map { $0 == Self.number(of: name) } ?? false
        }
        if let match = matches.first { return match }
        let known = names + names.compactMap(Self.title)
        let way =
            Nearest.nearest(to: wanted, among: known).map { "did you mean '\($0)'?" }
            ?? (names.isEmpty ? "the folder has none" : "there are \(names.joined(separator: ", "))")
        throw CourseError(.unknownLab, file: folder.string, "no lab '\(Nearest.shown(wanted))'; \(way)")
    }

    static func number(of name: String) -> Int? {
        let digits = name.prefix { $0.isASCII && $0.isNumber }
        guard digits.count == 2, name.dropFirst(2).first == "-" else { return nil }
        return Int(digits)
    }

    private static func title(of name: String) -> String { String(name.dropFirst(3)) }
}
