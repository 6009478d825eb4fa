import LabTrials

/// Looks for a run that is at work, so that nobody takes its hosts away by mistake.
struct RunGuard {
    private let place: PlaceOptions

    init(_ place: PlaceOptions) { self.place = place }

    /// The run that is going on here, if one is.
    var running: RunManifest? {
        RunFolder.all(under: place.runsFolder).reversed().lazy
            .filter(\.isAtWork).compactMap { try? $0.manifest() }.first { $0.state == .running }
    }

    /// - Throws: `UsageError` that names the run and its process.
    func refuseWhileRunning() throws(UsageError) {
        guard let running else { return }
        throw UsageError(
            "run \(running.runID) is going on (process \(running.controllerPID)); wait for its end, or interrupt it with 'kill -INT \(running.controllerPID)'"
        )
    }
}
