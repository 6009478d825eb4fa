public import MQTransport
public import NIOCore
import NIOSSL

/// TLS for a listening port.
public struct TLSServer: ServerSecurity {
    /// Whom a port serves (`tls.server.mode`).
    public enum Mode: String, Sendable, CaseIterable {
        /// Nobody with TLS.
        case disabled
        /// Each as it begins.
        case permissive
        /// Nobody without TLS.
        case enforcing
    }

    /// Whether clients must show a certificate (`tls.server.need.client.auth`).
    private enum ClientCertificate: String, CaseIterable {
        case none, optional, require
    }

    private let context: NIOSSLContext
    private let mode: Mode

    /// Reads the settings; `nil` when TLS is switched off, which it is unless a certificate or a mode is named.
    ///
    /// Keys: `tls.server.mode`, `tls.server.certPath`, `tls.server.keyPath`, `tls.server.keyPassword`,
    /// `tls.server.authClient`, `tls.server.need.client.auth` and `tls.server.trustCertPath`. A certificate that clients
    /// may show and need not (`optional`) is not asked for.
    public init?(settings: inout Settings) throws(ConfigurationError) {
        let certificates = settings.string("tls.server.certPath")
        let key = settings.string("tls.server.keyPath")
        let password = settings.string("tls.server.keyPassword")
        let trust = settings.string("tls.server.trustCertPath")
        let need = try settings.choice("tls.server.need.client.auth", default: ClientCertificate.none)
        let authenticates = try settings.bool("tls.server.authClient", default: false) || need == .require
        mode = try settings.choice("tls.server.mode", default: certificates == nil ? .disabled : .permissive)
        if mode == .disabled { return nil }
        guard let certificates else {
            throw settings.bad("tls.server.certPath", accepted: "a PEM file with the server's certificates")
        }
        guard let key else { throw settings.bad("tls.server.keyPath", accepted: "a PEM file with the private key") }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try TLSFiles.certificates(certificates, "tls.server.certPath", settings),
            privateKey: try TLSFiles.key(key, password: password, "tls.server.keyPath", settings))
        configuration.minimumTLSVersion = .tlsv12
        if authenticates {
            guard let trust else {
                throw settings.bad(
                    "tls.server.trustCertPath", accepted: "a PEM file with whom to trust, as tls.server.authClient asks"
                )
            }
            configuration.trustRoots = .certificates(
                try TLSFiles.authorities(trust, "tls.server.trustCertPath", settings))
            // Clients are named by groups and not by host names.
            configuration.certificateVerification = .noHostnameVerification
        }
        context = try TLSFiles.context(configuration, "tls.server.keyPath", settings)
    }

    /// Adds what tells TLS from plain connections, or TLS alone.
    public func secure(_ channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandler(
            TLSDetector(context: context, allowsPlain: mode == .permissive))
    }
}
