import FoundationEssentials
import LabHistory
public import SystemPackage

/// One run's folder under `.seatrial/runs/`: manifest, history, the daemons' logs, verdict.
///
/// The manifest is written first, with state `running`, and again at the end. A run whose manifest still says
/// `running` although nobody works on it was killed, and is reported as incomplete.
public struct RunFolder: Sendable {
    public let path: FilePath

    public var historyPath: FilePath { path.appending("history.jsonl") }
    public var manifestPath: FilePath { path.appending("manifest.json") }
    public var verdictPath: FilePath { path.appending("verdict.json") }
    public var gradePath: FilePath { path.appending("grade.json") }
    public var logsPath: FilePath { path.appending("logs") }

    public init(path: FilePath) { self.path = path }

    /// Makes a new folder for `runID`.
    /// - Throws: a `TrialError` that names the folder when it can't be made.
    public static func create(_ runID: String, under runs: FilePath) throws(TrialError) -> RunFolder {
        let folder = RunFolder(path: runs.appending(runID))
        do {
            try FileManager.default.createDirectory(
                atPath: folder.logsPath.string, withIntermediateDirectories: true)
        } catch {
            throw TrialError(.runFolder, "\(folder.path): can't be made (\(error))")
        }
        return folder
    }

    /// All runs, oldest first: a run's id begins with the time at which it began.
    public static func all(under runs: FilePath) -> [RunFolder] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: runs.string)) ?? []
        return names.sorted().map { RunFolder(path: runs.appending($0)) }
            .filter { FileManager.default.fileExists(atPath: $0.manifestPath.string) }
    }

    public func write(_ manifest: RunManifest) throws(TrialError) {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try encoder.encode(manifest).write(to: URL(filePath: manifestPath.string), options: .atomic)
        } catch {
            throw TrialError(.runFolder, "\(manifestPath): can't be written (\(error))")
        }
    }

    /// Says for as long as this process lives, or until ``RunWork/end()``, that somebody works on the run.
    ///
    /// By a lock of the kernel's: a process's number may be another's after a restart of the machine.
    public func beginWork() throws(TrialError) -> RunWork { try RunWork(path.appending("run.lock")) }

    /// Whether some process works on the run.
    public var isAtWork: Bool { RunWork.isHeld(path.appending("run.lock")) }

    /// Whether the run was cut off: it says that it is running, and nobody works on it.
    public func wasKilled(_ manifest: RunManifest) -> Bool { manifest.state == .running && !isAtWork }

    /// What the run was judged to be when it ended; nil when it never was.
    public var keptVerdict: String? {
        struct Kept: Decodable { var status: String }
        guard let data = try? Data(contentsOf: URL(filePath: verdictPath.string)) else { return nil }
        return (try? JSONDecoder().decode(Kept.self, from: data))?.status
    }

    /// Keeps the verdict beside the history that it was drawn from.
    public func write(verdict text: String) throws(TrialError) { try write(text, to: verdictPath) }

    /// Keeps the grade that was drawn from verdict and answers.
    public func write(grade text: String) throws(TrialError) { try write(text, to: gradePath) }

    private func write(_ text: String, to path: FilePath) throws(TrialError) {
        do {
            try Data(text.utf8).write(to: URL(filePath: path.string), options: .atomic)
        } catch {
            throw TrialError(.runFolder, "\(path): can't be written (\(error))")
        }
    }

    public func manifest() throws(TrialError) -> RunManifest {
        do {
            let data = try Data(contentsOf: URL(filePath: manifestPath.string))
            return try JSONDecoder().decode(RunManifest.self, from: data)
        } catch {
            throw TrialError(.runFolder, "\(path): not a run's folder (manifest.json is missing or unreadable)")
        }
    }
}

/// What was run, with which seed, where, and how it ended.
public struct RunManifest: Sendable, Codable, Equatable {
    public enum State: String, Sendable, Codable { case running, completed, aborted }

    public var runID: String
    public var lab: String
    public var mode: String
    public var seed: UInt64
    public var startedAtMilliseconds: Int64
    public var state: State
    /// The controller's process, for whoever wants to interrupt it.
    public var controllerPID: Int32
    public var lossAllowed: Bool
    /// Host by daemon.
    public var placement: [String: String]
    /// The configuration file of each daemon.
    public var configurations: [String: String]
    /// Each host's clock against the controller's: offset and its error, in nanoseconds.
    public var clocks: [String: ClockReading]
    public var agentVersion: String
    /// Why, by daemon, for each log that could not be collected; nil before the collection.
    public var missingLogs: [String: String]?
    /// Whether a killed run's remains were taken off the hosts since.
    public var isTakenDown: Bool?
    /// The negative control that it was, by name; nil for a lab as it is.
    public var control: String?

    public struct ClockReading: Sendable, Codable, Equatable {
        public var offsetNanoseconds: Int64
        public var errorNanoseconds: Int64

        public init(offsetNanoseconds: Int64, errorNanoseconds: Int64) {
            self.offsetNanoseconds = offsetNanoseconds
            self.errorNanoseconds = errorNanoseconds
        }
    }

}

/// What broke in the lab itself, as opposed to the cluster under trial.
public struct TrialError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable { case runFolder, badPlan, setUp, history, interrupted }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
