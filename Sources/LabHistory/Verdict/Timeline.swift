/// A run drawn as a row of windows of equal width, bounded however long the run was.
public struct Timeline: Sendable, Equatable {
    /// What happened in one window.
    public struct Window: Sendable, Equatable {
        public var attempts = 0
        public var ok = 0
        /// Weak, failed and unknown completions.
        public var notOK = 0

        public init(attempts: Int = 0, ok: Int = 0, notOK: Int = 0) {
            self.attempts = attempts
            self.ok = ok
            self.notOK = notOK
        }
    }

    /// A name from a moment on: a phase, or an edge of a fault.
    public struct Mark: Sendable, Equatable {
        public var atNanoseconds: Int64
        public var name: String

        public init(atNanoseconds: Int64, name: String) {
            self.atNanoseconds = atNanoseconds
            self.name = name
        }
    }

    /// A stretch in which a fault was open; `toNanoseconds` is nil when it has no end.
    public struct Span: Sendable, Equatable {
        public var name: String
        public var fromNanoseconds: Int64
        public var toNanoseconds: Int64?

        public init(name: String, fromNanoseconds: Int64, toNanoseconds: Int64?) {
            self.name = name
            self.fromNanoseconds = fromNanoseconds
            self.toNanoseconds = toNanoseconds
        }
    }

    /// With more windows than this, two neighbours become one and the width doubles.
    public static let maximumWindows = 1024
    /// The width of a window at first: a tenth of a second.
    public static let firstWidthNanoseconds: Int64 = 100_000_000

    public private(set) var widthNanoseconds = firstWidthNanoseconds
    public private(set) var windows: [Window] = []
    public var phases: [Mark] = []
    public var faults: [Span] = []

    public init() {}

    /// Counts something in the window of its moment; a moment before the run's beginning counts in the first.
    public mutating func count(at nanoseconds: Int64, _ change: (inout Window) -> Void) {
        while nanoseconds / widthNanoseconds >= Int64(Self.maximumWindows) { halve() }
        let index = Int(max(0, nanoseconds / widthNanoseconds))
        while windows.count <= index { windows.append(Window()) }
        change(&windows[index])
    }

    private mutating func halve() {
        widthNanoseconds *= 2
        windows = stride(from: 0, to: windows.count, by: 2).map { index in
            guard index + 1 < windows.count else { return windows[index] }
            let (a, b) = (windows[index], windows[index + 1])
            return Window(attempts: a.attempts + b.attempts, ok: a.ok + b.ok, notOK: a.notOK + b.notOK)
        }
    }
}
