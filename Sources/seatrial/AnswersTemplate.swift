import LabCourse

/// An `answers.yaml` without answers, for whoever hands in a file.
struct AnswersTemplate: CustomStringConvertible {
    private let lab: Lab

    init(_ lab: Lab) { self.lab = lab }

    var description: String {
        var lines = ["# \(lab.title): write your answers behind the colons; a line that is left empty is no answer."]
        lines += ["lab: \(lab.name)", "answers:"]
        for question in lab.questions {
            lines.append("  # \(question.title): \(AnswerParser(question).wanted)")
            lines.append("  \(question.id):")
        }
        return lines.joined(separator: "\n")
    }
}
