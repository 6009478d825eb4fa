import Synchronization

/// The name of a temporary file beside an upload's target, in use as long as this value lives.
///
/// The process knows its names in use, so that none of its uploads takes another's for a left-over.
final class SFTPTemporary: Sendable {
    /// `TARGET.seatrial-` and a token.
    let path: String

    private static let live = Mutex<Set<String>>([])

    init(beside target: String) {
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        let token = String(repeating: "0", count: SFTPLimits.tokenDigits - digits.count) + digits
        let path = "\(target).seatrial-\(token)"
        self.path = path
        Self.live.withLock { _ = $0.insert(path) }
    }

    deinit {
        let path = path
        Self.live.withLock { _ = $0.remove(path) }
    }

    /// The names in use beside a target.
    static func inUse(beside target: String) -> [String] {
        live.withLock { live in live.filter { $0.hasPrefix("\(target).seatrial-") } }
    }
}
