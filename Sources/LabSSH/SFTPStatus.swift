/// The status codes of SFTP version 3 (draft-ietf-secsh-filexfer-02, section 7) in words.
enum SFTPStatus {
    /// What a status means; unknown ones by their number.
    static func words(_ status: UInt) -> String {
        switch Int32(truncatingIfNeeded: status) {
        case 2: "no such file or folder"
        case 3: "permission denied"
        case 4: "the host's SFTP server failed: a full disk, a limit, or a folder where a file should be"
        case 5: "bad message"
        case 6, 7: "no connection"
        case 8: "not supported"
        default: "SFTP status \(status)"
        }
    }
}
