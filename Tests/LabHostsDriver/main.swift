import Glibc
import LabHosts
import SystemPackage

// The tests' own small program around LocalHosts: a process that can be killed in the middle of `up`,
// and a ruler for docs/performance.md. Usage: lab-hosts-driver STATE_DIRECTORY up N [ext4|xfs] | down | check
// It has the words of `seatrial hosts power`, too, so that a loan's own process can be this program.

let arguments = CommandLine.arguments
if arguments.count >= 7, arguments[1] == "hosts", arguments[2] == "power" {
    let hosts = LocalHosts(stateDirectory: FilePath(arguments[6]))
    let last = arguments.last ?? ""
    do {
        switch arguments[3] {
        case "off": try await hosts.powerOff(arguments[4], for: Double(last))
        case "on": try await hosts.powerOn(arguments[4])
        default: await hosts.powerOnWhenDue(arguments[4], loan: last)
        }
    } catch {
        print("\(error)")
        exit(1)
    }
    exit(0)
}
guard arguments.count >= 3 else {
    print("usage: lab-hosts-driver STATE_DIRECTORY up N [ext4|xfs] | down | check")
    exit(64)
}
let hosts = LocalHosts(stateDirectory: FilePath(arguments[1]))
do {
    switch arguments[2] {
    case "up":
        let filesystem = arguments.count > 4 ? HostFilesystem(rawValue: arguments[4]) ?? .ext4 : .ext4
        let report = try await hosts.up(count: Int(arguments[3]) ?? 0, filesystem: filesystem)
        print("up \(report.hosts.count) hosts, booted \(report.booted.count), in \(report.duration)")
    case "down":
        let report = try await hosts.down()
        print("down, removed \(report.removed.count), in \(report.duration)")
    default:
        for leftover in await hosts.check() { print(leftover) }
    }
} catch {
    print("\(error)")
    exit(1)
}
