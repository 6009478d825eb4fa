/// The smallest example that shows a finding, in plain words.
public struct Witness: Sendable, Equatable {
    /// The message it tells of, where it tells of one.
    public var value: ValueID?
    /// What happened, a sentence each: sent, acknowledged, the fault, each replica's log, the reader.
    public var story: [String]
    /// Lines of the history that say so, rising.
    public var lines: [Int]

    public init(value: ValueID? = nil, story: [String], lines: [Int]) {
        self.value = value
        self.story = story
        self.lines = Array(Set(lines)).sorted()
    }
}
