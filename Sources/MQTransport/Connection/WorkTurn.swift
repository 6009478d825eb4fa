/// What work hears when a thread comes to it.
public enum WorkTurn: Sendable, Equatable {
    /// It is to be done now.
    case work
    /// It has waited so long for its thread that whoever asked should rather ask somebody else.
    case late(milliseconds: Int64)
    /// The threads have ended, nothing is done any more.
    case stopped
}
