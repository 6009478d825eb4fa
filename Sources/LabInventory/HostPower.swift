/// How a host's power is switched: commands that are run on the controller, as words and without a shell.
///
/// A cut is a loan like every fault: the command that cuts the power is told for how long, and has to see to it by itself
/// that the power comes back then, whatever becomes of the controller.
public struct HostPower: Sendable, Hashable {
    /// What stands for the loan's seconds in the command that cuts the power.
    public static let secondsMark = "{seconds}"

    private let offWords: [String]
    /// Brings the power back; harmless when it is on.
    public let on: [String]

    init(off: [String], on: [String]) {
        offWords = off
        self.on = on
    }

    /// Cuts the power, for so long at most; harmless when it is off.
    public func off(seconds: Double) -> [String] {
        offWords.map { word in
            word.split(separator: Self.secondsMark, omittingEmptySubsequences: false).joined(separator: "\(seconds)")
        }
    }
}
