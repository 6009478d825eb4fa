/// Why a fault could not be handled; one line that names the fault and its host.
public struct ChaosError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable { case badPlan, injectionFailed }

    public let code: Code
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
