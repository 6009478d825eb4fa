import Glibc
import MQTransport
import NIOSSL

/// The PEM files that settings name; what is wrong with them is told with the setting's place.
enum TLSFiles {
    static func certificates(
        _ path: String, _ key: String, _ settings: Settings
    ) throws(ConfigurationError) -> [NIOSSLCertificateSource] {
        try authorities(path, key, settings).map { .certificate($0) }
    }

    static func authorities(
        _ path: String, _ key: String, _ settings: Settings
    ) throws(ConfigurationError) -> [NIOSSLCertificate] {
        try require(path, key, settings)
        do {
            let found = try NIOSSLCertificate.fromPEMFile(path)
            if !found.isEmpty { return found }
        } catch { throw settings.bad(key, accepted: "a PEM file with certificates; this is none") }
        throw settings.bad(key, accepted: "a PEM file with certificates; it has none")
    }

    /// Tells a file that cannot be read from one that is not what it should be.
    private static func require(_ path: String, _ key: String, _ settings: Settings) throws(ConfigurationError) {
        guard access(path, R_OK) != 0 else { return }
        throw settings.bad(key, accepted: "a file that can be read; \(String(cString: strerror(errno)))")
    }

    static func key(
        _ path: String, password: String?, _ key: String, _ settings: Settings
    ) throws(ConfigurationError) -> NIOSSLPrivateKeySource {
        try require(path, key, settings)
        do {
            guard let password else { return .privateKey(try NIOSSLPrivateKey(file: path, format: .pem)) }
            return .privateKey(
                try NIOSSLPrivateKey(file: path, format: .pem) { setter in setter(password.utf8) })
        } catch {
            throw settings.bad(
                key, accepted: "a PEM file with a private key, and its password in tls.*.keyPassword if it has one")
        }
    }

    static func context(
        _ configuration: TLSConfiguration, _ key: String, _ settings: Settings
    ) throws(ConfigurationError) -> NIOSSLContext {
        do { return try NIOSSLContext(configuration: configuration) } catch {
            throw settings.bad(key, accepted: "a key that belongs to the certificate; TLS says: \(error)")
        }
    }
}
