/// When a disk that refused a write is tried again: at each look at first, and ever more rarely when it refuses again soon
/// after it was let in, so that routes do not flap. Pure.
struct ProbeRhythm: Sendable {
    private var look = 0
    private var lastSuccess: Int?
    /// The looks between two tries.
    private(set) var pause = 1
    private var next: Int?

    /// The most looks between two tries: 8 s.
    static let longestPause = 32
    /// Trouble that begins so many looks after the last success, 10 s, is a new one.
    static let calm = 40

    /// Takes note of a look; whether it is one to try the disk at.
    mutating func isDue(inTrouble: Bool) -> Bool {
        look += 1
        guard inTrouble else { return false }
        if next == nil {
            let isSoon = lastSuccess.map { look - $0 <= Self.calm } ?? false
            pause = isSoon ? min(pause * 2, Self.longestPause) : 1
            next = look + pause - 1
        }
        guard let due = next, look >= due else { return false }
        next = look + pause
        return true
    }

    /// The disk took a write: the trouble is over.
    mutating func succeeded() {
        lastSuccess = look
        next = nil
    }
}
