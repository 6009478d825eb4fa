import LabText
import SystemPackage

extension Lab {
    /// One of the lab's negative controls by its name.
    /// - Throws: `CourseError` that names the nearest, or all there are.
    public func control(named name: String) throws(CourseError) -> Control {
        let all = try controls()
        if let control = all.first(where: { $0.name == name }) { return control }
        let way = all.isEmpty ? "it has none" : Nearest.suggestion(for: name, among: all.map(\.name))
        throw CourseError(.badValue, file: folder.string, "no control '\(Nearest.shown(name))' in this lab; \(way)")
    }
}
