import LabText
import LabTrials
import SystemPackage

/// Reads a lab's folder, and refuses what the engine or the grader could not work with.
enum LabLoader {
    private struct LabFile: Decodable {
        var lab: String
        var title: String
        var aim: String
        var minutes: Int
        var guide: String
        var afterwards: String?
        var steps: [Lab.Step]
        var questions: [Question]
        var checks: [ExperimentCheck]
        var trial: TrialPlan

        enum CodingKeys: String, CodingKey, CaseIterable {
            case lab, title, aim, minutes, guide, afterwards, steps, questions, checks, trial
        }
    }

    private struct ControlFile: Decodable {
        var why: String
        var expect: ExpectedVerdict

        enum CodingKeys: String, CodingKey { case why, expect }
    }

    static func load(folder: FilePath) throws(CourseError) -> Lab {
        let yaml = try self.yaml("lab.yaml", in: folder)
        try yaml.checkKeys(of: yaml.root, among: LabFile.CodingKeys.allCases.map(\.rawValue), "a lab")
        try checkKeys(yaml, "questions", Question.CodingKeys.allCases.map(\.rawValue), "a question")
        try checkKeys(yaml, "checks", ExperimentCheck.CodingKeys.allCases.map(\.rawValue), "a check")
        let file = try yaml.decode(LabFile.self)
        let name = folder.lastComponent?.string ?? ""
        guard file.lab == name, let number = LabCatalogue.number(of: name) else {
            throw CourseError(
                .badValue, file: yaml.file, line: yaml.root["lab"]?.line,
                "lab '\(file.lab)' stands in folder '\(name)'; give both one name, as in 01-first-message")
        }
        let afterwards = try file.afterwards.map { name throws(CourseError) in
            try CourseFile.text(name, in: folder, limit: CourseFile.maximumLabBytes)
        }
        let lab = Lab(
            name: name, number: number, title: file.title, aim: file.aim, minutes: file.minutes,
            guide: try CourseFile.text(file.guide, in: folder, limit: CourseFile.maximumLabBytes),
            afterwards: afterwards, steps: file.steps, questions: file.questions, checks: file.checks,
            trial: file.trial, folder: folder)
        try validate(lab, yaml)
        return lab
    }

    /// The lab's controls: files in `controls/`, each of which replaces parts of the trial.
    static func controls(of lab: Lab) throws(CourseError) -> [Control] {
        let folder = lab.folder.appending("controls")
        guard CourseFile.exists(folder) else { return [] }
        guard let trial = try yaml("lab.yaml", in: lab.folder).root["trial"] else { return [] }
        var controls: [Control] = []
        for name in try CourseFile.entries(of: folder) where name.hasSuffix(".yaml") {
            let yaml = try self.yaml(name, in: folder)
            try yaml.checkKeys(of: yaml.root, among: ["why", "trial", "expect"], "a control")
            let file = try yaml.decode(ControlFile.self)
            let merged = yaml.root["trial"].map { trial.merged(with: $0) } ?? trial
            controls.append(
                Control(
                    name: String(name.dropLast(".yaml".count)), why: file.why,
                    trial: try yaml.decode(TrialPlan.self, from: merged), expected: file.expect))
        }
        return controls
    }

    static func yaml(_ name: String, in folder: FilePath) throws(CourseError) -> YAMLText {
        let text = try CourseFile.text(name, in: folder, limit: CourseFile.maximumLabBytes)
        return try YAMLText(file: folder.appending(name).string, text)
    }

    private static func checkKeys(
        _ yaml: YAMLText, _ list: String, _ known: [String], _ place: String
    ) throws(CourseError) {
        for node in yaml.root[list]?.sequence ?? [] {
            try yaml.checkKeys(of: node, among: known, place)
        }
    }

    // MARK: Rules that one part alone can't know

    private static func validate(_ lab: Lab, _ yaml: YAMLText) throws(CourseError) {
        var seen: [String] = []
        for (list, index, part) in parts(of: lab) {
            let line = yaml.root[list]?.sequence?[index].line
            func refuse(_ detail: String) -> CourseError { CourseError(.badValue, file: yaml.file, line: line, detail) }
            guard !seen.contains(part.id) else { throw refuse("id '\(part.id)' is given twice; rename one") }
            guard lab.steps.contains(where: { $0.id == part.step }) else {
                let way = Nearest.suggestion(for: part.step, among: lab.steps.map(\.id))
                throw refuse("'\(part.id)' belongs to an unknown step '\(part.step)'; \(way)")
            }
            // What comes later can't be waited for, and so no circle can arise.
            for dependency in part.dependsOn where !seen.contains(dependency) {
                throw refuse("'\(part.id)' depends on '\(dependency)', which does not come before it")
            }
            guard part.points >= 0 else { throw refuse("'\(part.id)' has negative points") }
            seen.append(part.id)
        }
        for (index, question) in lab.questions.enumerated() {
            let line = yaml.root["questions"]?.sequence?[index].line
            do {
                _ = try AnswerParser(question).parse(question.answer)
            } catch {
                throw CourseError(
                    .badValue, file: yaml.file, line: line, "the answer of '\(question.id)' is none: \(error)")
            }
        }
    }

    private struct Part {
        var id: String
        var step: String
        var dependsOn: [String]
        var points: Int
    }

    private static func parts(of lab: Lab) -> [(list: String, index: Int, part: Part)] {
        lab.questions.enumerated().map { index, question in
            (
                "questions", index,
                Part(id: question.id, step: question.step, dependsOn: question.dependsOn, points: question.points)
            )
        }
            + lab.checks.enumerated().map { index, check in
                (
                    "checks", index,
                    Part(id: check.id, step: check.step, dependsOn: check.dependsOn, points: check.points)
                )
            }
    }
}

extension Lab {
    /// Runs with a known outcome, from `controls/`; empty when the lab has none.
    public func controls() throws(CourseError) -> [Control] {
        try LabLoader.controls(of: self)
    }
}
