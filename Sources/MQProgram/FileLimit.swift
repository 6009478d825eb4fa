import Glibc

/// How many files the process may have open: each connection is one, and so is each queue.
public enum FileLimit {
    /// Brings the soft limit to the hard one; gives what holds now. A refusal leaves it as it was.
    @discardableResult
    public static func raise() -> Int {
        var limit = rlimit()
        let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(kind, &limit) == 0 else { return 0 }
        let before = limit.rlim_cur
        limit.rlim_cur = limit.rlim_max
        return Int(clamping: setrlimit(kind, &limit) == 0 ? limit.rlim_max : before)
    }
}
