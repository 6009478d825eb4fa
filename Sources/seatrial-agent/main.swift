import Glibc
import LabAgent
import SystemPackage

// The agent on a host: `serve` on stdin and stdout, `revert-after` as a fault's detached timer.

/// The value after a flag; ends with status 64 and one line when it is missing.
func value(of flag: String) -> String {
    let arguments = CommandLine.arguments
    guard let index = arguments.firstIndex(of: flag), index + 1 < arguments.count else {
        usage("\(flag) needs a value")
    }
    return arguments[index + 1]
}

func usage(_ problem: String) -> Never {
    complain(
        "seatrial-agent: \(problem) (expected serve --root DIR, revert-after --root DIR --uid UID, or --version)\n")
    exit(64)
}

func complain(_ text: String) {
    var text = text
    text.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
}

do throws(AgentFailure) {
    switch CommandLine.arguments.dropFirst().first {
    case "serve": try AgentServer(root: FilePath(value(of: "--root"))).serve()
    case "revert-after": try AgentServer.revertWhenDue(root: FilePath(value(of: "--root")), uid: value(of: "--uid"))
    case "--version": print("seatrial-agent, protocol \(AgentLimits.protocolVersion)")
    case let other?: usage("no command '\(other)'")
    case nil: usage("a command is missing")
    }
} catch {
    complain("seatrial-agent: \(error.message)\n")
    exit(1)
}
