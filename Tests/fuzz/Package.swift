// swift-tools-version: 6.2
import PackageDescription

// Preconditions, overflow and bounds checks stay in an optimised build; these flags keep the assertions too.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .unsafeFlags(["-sanitize=fuzzer,address", "-assert-config", "Debug", "-enable-testing"]),
]
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")

let package = Package(
    name: "fuzz",
    dependencies: [.package(url: "https://github.com/apple/swift-nio", from: "2.101.2")],
    targets: [
        // A link to the root's own sources: what is fuzzed is what is shipped.
        .target(name: "CChecksum"),
        .target(name: "MQWire", dependencies: ["CChecksum", nioCore], exclude: ["README.md"], swiftSettings: settings),
        .target(name: "CAllocations"),
        .executableTarget(
            name: "fuzz", dependencies: ["MQWire", "CAllocations", nioCore],
            swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address"])]),
    ]
)
