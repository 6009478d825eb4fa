/// What a slave does about its log before it follows a master of ours. Pure.
///
/// The newest epoch wins, and where two logs part is found by epoch and offset. This is the same comparison as that of
/// ``ReplicaSetMachine``, with two more cautions of a broker that cannot ask a coordinator: it never lets go of its whole
/// log, and never of anything for an epoch whose number is not greater than its own.
public enum Rejoining: Sendable, Equatable {
    /// The log is a beginning of the master's: it is copied on.
    case follow
    /// The master's group went on without what is behind this offset.
    case cut(at: Int64)
    /// It cannot be followed.
    case object(String)

    /// - Parameter reign: the epoch in which the other broker is the master; `nil` for one that knows of no epochs.
    public init(own: LogSpan, master: LogSpan, reign: Epoch?) {
        let common = own.commonEnd(with: master)
        let (reign, last) = (reign ?? .none, own.lastEpoch)
        if own.end == 0 {
            self = .follow
        } else if reign.number < last.number || (reign.number == last.number && reign != last) {
            self = .object(
                "its epoch \(reign.number) is not newer than this log's \(last.number): it may have lost its store; restart "
                    + "it while this broker runs, and it takes back what it lacks, or empty this store to begin anew")
        } else if common < own.start || common < master.start {
            self = .object("what both logs have in common is gone; empty this store to begin anew")
        } else if common == own.end {
            self = .follow
        } else if reign == last {
            self = .object("it has less of epoch \(last.number) than this log; restart it, and it takes the rest back")
        } else if common <= own.start {
            self = .object("the logs have nothing in common; empty this store to begin anew")
        } else {
            self = .cut(at: common)
        }
    }
}
