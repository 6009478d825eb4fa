/// A libssh2 channel, which ends once however many hold it.
///
/// `@unchecked Sendable`: both members are touched by the owning session's actor only, on its thread.
final class ChannelBox: @unchecked Sendable {
    /// The channel, or nil once it was closed.
    var pointer: OpaquePointer?
    /// How the command ended, once that is known.
    var exit: SSHCommandExit?

    init(_ pointer: OpaquePointer) { self.pointer = pointer }
}
