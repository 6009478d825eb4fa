/// Which version of the package a program is of.
public enum ProgramVersion {
    /// As `--version` prints it.
    public static let text = "0.1.0"
}
