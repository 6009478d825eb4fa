import LabCourse

/// Asks the lab's questions at a terminal, one after the other.
struct Interview {
    let lab: Lab

    /// - Throws: `UsageError` when the input ends before the last answer.
    func submission() throws -> Submission {
        print(lab.guide)
        let points = lab.questions.map(\.points).reduce(0, +)
        print(
            """
            Before the experiment, say what you expect: \(lab.questions.count) questions, \(points) points.
            Where there are choices, their letter is enough. An empty line skips a question and its points.
            Nothing is deployed before the last answer; until then Ctrl-C ends it all.

            """)
        var answers: [String: String] = [:]
        for (index, question) in lab.questions.enumerated() {
            print("\(index + 1) of \(lab.questions.count): \(QuestionText(question))")
            if let answer = try ask(question) { answers[question.id] = answer }
            print()
        }
        return Submission(interactive: answers, lab: lab)
    }

    private func ask(_ question: Question) throws -> String? {
        let parser = AnswerParser(question)
        while true {
            print("> ", terminator: "")
            Terminal.flushOutput()
            guard let line = readLine() else {
                print()
                throw UsageError("the input ended before the last answer; nothing was run")
            }
            let text = String(line.drop { $0 == " " })
            if text.isEmpty { return nil }
            do {
                return try parser.parse(text)
            } catch {
                print("  \(error)")
            }
        }
    }
}

/// A question as a person reads it.
struct QuestionText: CustomStringConvertible {
    private let question: Question

    init(_ question: Question) { self.question = question }

    var description: String {
        var lines = ["\(question.title) (\(question.points) point\(question.points == 1 ? "" : "s"))"]
        lines += Self.wrapped(question.prompt)
        lines += question.choices.map { "  \($0.id)) \($0.text)" }
        return lines.joined(separator: "\n")
    }

    private static let columns = 80

    /// Lines of whole words.
    private static func wrapped(_ text: String) -> [String] {
        var lines: [String] = [""]
        for word in text.split(whereSeparator: \.isWhitespace) {
            let last = lines[lines.count - 1]
            if last.isEmpty {
                lines[lines.count - 1] = String(word)
            } else if last.count + 1 + word.count <= columns {
                lines[lines.count - 1] += " \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
