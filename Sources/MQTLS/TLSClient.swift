public import MQTransport
public import NIOCore
import NIOSSL

/// TLS towards servers.
public struct TLSClient: ClientSecurity {
    private let context: NIOSSLContext

    /// Reads the settings; `nil` unless `tls.enable` is true.
    ///
    /// Keys: `tls.enable`, `tls.client.authServer`, `tls.client.trustCertPath`, `tls.client.certPath`,
    /// `tls.client.keyPath` and `tls.client.keyPassword`. As with Apache's clients, a server is only held against
    /// `tls.client.trustCertPath` if `tls.client.authServer` asks for it.
    public init?(settings: inout Settings) throws(ConfigurationError) {
        let certificates = settings.string("tls.client.certPath")
        let key = settings.string("tls.client.keyPath")
        let password = settings.string("tls.client.keyPassword")
        let trust = settings.string("tls.client.trustCertPath")
        let authenticates = try settings.bool("tls.client.authServer", default: trust != nil)
        guard try settings.bool("tls.enable", default: false) else { return nil }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if authenticates {
            if let trust {
                configuration.trustRoots = .certificates(
                    try TLSFiles.authorities(trust, "tls.client.trustCertPath", settings))
            }
            // Brokers are reached by addresses that nameservers tell, and not by the names of their certificates.
            configuration.certificateVerification = .noHostnameVerification
        } else {
            configuration.certificateVerification = .none
        }
        if let certificates {
            guard let key else { throw settings.bad("tls.client.keyPath", accepted: "a PEM file with the private key") }
            configuration.certificateChain = try TLSFiles.certificates(certificates, "tls.client.certPath", settings)
            configuration.privateKey = try TLSFiles.key(key, password: password, "tls.client.keyPath", settings)
        }
        context = try TLSFiles.context(configuration, "tls.client.keyPath", settings)
    }

    /// TLS for a program of one's own.
    ///
    /// - Parameters:
    ///   - authorities: a PEM file with whom to trust; `nil` trusts whoever answers.
    ///   - certificate: a PEM file with what this client shows of itself; `nil` for nothing.
    ///   - key: a PEM file with the certificate's private key.
    /// - Throws: ``ConfigurationError`` that names the file and what is wrong with it.
    public init(
        trusting authorities: String?, certificate: String? = nil, key: String? = nil
    ) throws(ConfigurationError) {
        var keys = ["tls.enable": "true"]
        keys["tls.client.trustCertPath"] = authorities
        keys["tls.client.certPath"] = certificate
        keys["tls.client.keyPath"] = key
        var settings = Settings(file: nil, commandLine: keys, source: "TLS")
        guard let client = try TLSClient(settings: &settings) else {
            preconditionFailure("tls.enable is true and no TLS came of it")
        }
        self = client
    }

    /// Adds TLS.
    public func secure(_ channel: any Channel, host: String) throws {
        // A numeric address is no server name.
        let name = (try? SocketAddress(ipAddress: host, port: 0)) == nil ? host : nil
        try channel.pipeline.syncOperations.addHandler(NIOSSLClientHandler(context: context, serverHostname: name))
    }

    /// Why TLS did not come about, without the library's numbers.
    public func reason(for failure: (any Error)?) -> String {
        guard let failure else { return "the peer ended the TLS handshake (does this port speak TLS?)" }
        let words = "\(failure)"
        if words.contains("CERTIFICATE_VERIFY_FAILED") {
            return "the server's certificate is not signed by whom is trusted"
        }
        if words.contains("WRONG_VERSION_NUMBER") || words.contains("EOF during handshake")
            || words.contains("uncleanShutdown")
        {
            return "the peer does not answer as TLS does (does this port speak TLS?)"
        }
        if words.contains("CERTIFICATE_REQUIRED") || words.contains("HANDSHAKE_FAILURE") {
            return "the server refused the TLS handshake (does it ask for a certificate of the client's?)"
        }
        return "the TLS handshake failed: \(type(of: failure))"
    }
}
