import CLibSSH2
import SystemPackage

/// The two digests of SSH's world, by the libcrypto that libssh2 stands on.
enum Digests {
    /// Bytes of a SHA-256 digest.
    static let sha256Bytes = 32

    /// The SHA-256 of bytes that are in memory.
    static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        let done = EVP_Digest(bytes, bytes.count, &digest, &count, EVP_sha256(), nil)
        precondition(done == 1 && count == sha256Bytes, "libcrypto has no SHA-256")
        return Array(digest.prefix(Int(count)))
    }

    /// The SHA-256 and the length of an open file, read from its start in pieces.
    static func sha256(of file: FileDescriptor) throws -> (digest: [UInt8], bytes: Int) {
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            preconditionFailure("libcrypto has no SHA-256")
        }
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: SSHLimits.writeBytes, alignment: 16)
        defer { piece.deallocate() }
        var total = 0
        while true {
            let count = try file.read(fromAbsoluteOffset: Int64(total), into: piece)
            if count == 0 { break }
            EVP_DigestUpdate(context, piece.baseAddress, count)
            total += count
        }
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        EVP_DigestFinal_ex(context, &digest, &count)
        return (Array(digest.prefix(Int(count))), total)
    }

    /// HMAC-SHA1, by which `known_hosts` hides its host names.
    static func hmacSHA1(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        HMAC(EVP_sha1(), key, Int32(key.count), bytes, bytes.count, &digest, &count)
        return Array(digest.prefix(Int(count)))
    }

    /// Lower-case hexadecimal, as `sha256sum` prints it.
    static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
