public import ArgumentParser
public import Logging

/// The least severe log level that a daemon writes.
public enum LogLevel: String, CaseIterable, ExpressibleByArgument {
    case debug, info, warning, error

    /// The level for swift-log.
    public var level: Logger.Level { Logger.Level(rawValue: rawValue) ?? .info }
}
