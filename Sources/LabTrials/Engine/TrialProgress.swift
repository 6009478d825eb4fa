public import LabHistory

/// What a trial tells while it runs, for whoever shows it.
public enum TrialProgress: Sendable {
    case folder(RunFolder)
    /// Something of the lab's own: connecting, uploading, draining.
    case step(String)
    /// A stretch of load began and lasts so long.
    case phase(String, seconds: Double)
    /// The load so far.
    case load(SendTally)
    case fault(FaultEdge)
}
