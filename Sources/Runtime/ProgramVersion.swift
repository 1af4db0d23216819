/// The version of the whole program, as `earshot --version` prints it.
public enum ProgramVersion {
    public static let text = "0.1.0"
}
