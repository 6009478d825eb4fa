/// The version of controller and agent; a run's manifest names it.
public enum LabVersion {
    public static let text = "0.1.0"
}
