import Glibc

enum Processes {
    /// Whether a process of this number exists; a number may have been given anew since.
    static let isAlive: @Sendable (Int32) -> Bool = { kill($0, 0) == 0 || errno == EPERM }
}
