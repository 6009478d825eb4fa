/// What went wrong between a plan and a running cluster.
///
/// `code` is constant text and can label a metric; `message` is one line that names the thing, the place and the
/// way out.
public struct ClusterError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable {
        case badTopology, notEnoughHosts, missingBinary, unreachableHost, agentFailed, daemonFailed, notDeployed
    }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
