import LabText
public import SystemPackage

/// What a learner hands in: answers, from a folder's `answers.yaml` or asked at a terminal.
///
/// The folder may be anyone's. Its text is read under limits, never run, never part of a path or a command.
public struct Submission: Sendable, Equatable {
    /// One answer as it was written, and where.
    public struct Answer: Sendable, Equatable {
        public var text: String
        /// Line of `answers.yaml`; nil for an answer that was typed.
        public var line: Int?
    }

    /// Whose it is: the folder as the caller named it, or `interactive`.
    public var name: String
    /// The lab that it is for, as `01-first-message`.
    public var lab: String
    /// By the question's id.
    public var answers: [String: Answer]
    /// Where the answers stand, as `name/answers.yaml:2`, for what is missing there.
    public var place: String?

    /// Answers that were asked at a terminal.
    public init(interactive answers: [String: String], lab: Lab) {
        name = "interactive"
        self.lab = lab.name
        self.answers = answers.mapValues { Answer(text: $0, line: nil) }
    }

    /// Reads a folder's `answers.yaml`.
    /// - Parameter lab: the lab that it must be for.
    /// - Throws: `CourseError` with file and line for a file that can't be taken, another lab's answers, or an answer
    ///   to a question that the lab does not ask. A missing answer is no error: it loses its points.
    public init(folder: FilePath, lab: Lab) throws(CourseError) {
        let yaml = try Self.yaml(folder)
        let named = try Self.labName(yaml)
        guard named.name == lab.name || Int(named.name) == lab.number else {
            throw CourseError(
                .badValue, file: yaml.file, line: named.line,
                "these answers are for '\(Nearest.shown(named.name))', not for '\(lab.name)'")
        }
        try yaml.checkKeys(of: yaml.root, among: ["lab", "answers"], "a submission")
        guard let node = yaml.root["answers"], let mapping = node.mapping else {
            throw CourseError(
                .missingKey, file: yaml.file, line: yaml.root["answers"]?.line ?? named.line,
                "'answers' is missing; add it with one 'question: answer' line for each question")
        }
        try yaml.checkKeys(of: node, among: lab.questions.map(\.id), "the answers")
        name = folder.string
        self.lab = lab.name
        answers = [:]
        place = "\(yaml.file):\(yaml.root.entry("answers")?.key.line ?? 1)"
        for entry in mapping {
            // As a template has it: no answer yet.
            if entry.value.isNull { continue }
            guard let id = entry.key.text, let text = entry.value.text else {
                throw CourseError(
                    .badValue, file: yaml.file, line: entry.value.line,
                    "the answer to '\(Nearest.shown(entry.key.text ?? "?"))' must be one word, number or text")
            }
            answers[id] = Answer(text: text, line: entry.value.line)
        }
    }

    /// The lab that a folder's answers say they are for, to find it in the catalogue.
    public static func labName(folder: FilePath) throws(CourseError) -> String {
        try labName(yaml(folder)).name
    }

    private static func yaml(_ folder: FilePath) throws(CourseError) -> YAMLText {
        let text: String
        do {
            text = try CourseFile.text(
                "answers.yaml", in: folder, limit: CourseFile.maximumSubmissionBytes, isStrangers: true)
        } catch {
            guard error.code == .missingFile else { throw error }
            let near = (try? CourseFile.entries(of: folder))?.first { $0.lowercased().hasPrefix("answer") }
            throw CourseError(
                .missingFile, file: folder.appending("answers.yaml").string,
                near.map { "there is no such file; rename \(Nearest.shown($0)), which is there" } ?? error.detail)
        }
        let file = folder.appending("answers.yaml").string
        guard text.contains(where: { !$0.isWhitespace }) else {
            throw CourseError(
                .badYAML, file: file, "it is empty; 'seatrial lab show 01 --template' prints one to be filled in")
        }
        return try YAMLText(file: file, text)
    }

    private static func labName(_ yaml: YAMLText) throws(CourseError) -> (name: String, line: Int) {
        guard let node = yaml.root["lab"], let name = node.text else {
            throw CourseError(
                .missingKey, file: yaml.file, line: 1, "'lab' is missing; add a line like 'lab: 01-first-message'")
        }
        return (name, node.line)
    }
}
