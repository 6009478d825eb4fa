/// What an upload did.
public enum SSHUploadResult: Sendable, Hashable {
    /// The target now has the content; so many bytes were sent.
    case sent(bytes: Int)
    /// The target had this content already (by SHA-256), and nothing was sent.
    case unchanged
}
