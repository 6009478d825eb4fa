import CLibSSH2

/// A SHA-256 that takes its bytes piece by piece.
///
/// `@unchecked Sendable`: part of one `SFTPSource`, whose guard it shares.
final class SFTPDigest: @unchecked Sendable {
    private let context = EVP_MD_CTX_new()

    init() {
        precondition(EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1, "libcrypto has no SHA-256")
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Adds bytes.
    func update(_ bytes: UnsafeRawBufferPointer) {
        EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    }

    /// The digest of all that was added. To be called once.
    func finish() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        EVP_DigestFinal_ex(context, &digest, &count)
        return Array(digest.prefix(Int(count)))
    }
}
