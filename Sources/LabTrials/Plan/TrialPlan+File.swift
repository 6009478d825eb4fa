import LabText
public import SystemPackage

extension TrialPlan {
    /// A plan is a page.
    static let maximumFileBytes = 1 << 20

    /// Reads a plan from a file of its own, which holds what stands under `trial:` in a `lab.yaml`.
    /// - Throws: `TrialError` `.badPlan` that names the file, the line where YAML knows it, and what was expected.
    public static func load(_ path: FilePath) throws(TrialError) -> TrialPlan {
        let text: String
        do throws(TextFile.Mistake) {
            text = try TextFile.read(path, limitBytes: maximumFileBytes)
        } catch {
            throw TrialError(.badPlan, "\(path): \(error)")
        }
        let root: YAMLNode?
        do throws(YAMLMistake) {
            root = try YAMLParser.parse(text, limits: .small)
        } catch {
            throw mistake(error, in: path)
        }
        guard let root else {
            throw TrialError(.badPlan, "\(path): it is empty; see labs/trials/ for what belongs here")
        }
        let known = CodingKeys.allCases.map(\.rawValue)
        for entry in root.mapping ?? [] where !known.contains(entry.key.text ?? "") {
            let name = entry.key.text ?? "?"
            throw TrialError(
                .badPlan,
                "\(path):\(entry.key.line): unknown key '\(Nearest.shown(name))' in a trial; "
                    + Nearest.suggestion(for: name, among: known))
        }
        do throws(YAMLMistake) { return try root.decode() } catch { throw mistake(error, in: path) }
    }

    private static func mistake(_ mistake: YAMLMistake, in path: FilePath) -> TrialError {
        TrialError(.badPlan, "\(path):\(mistake.line.map { "\($0):" } ?? "") \(mistake.text)")
    }
}
