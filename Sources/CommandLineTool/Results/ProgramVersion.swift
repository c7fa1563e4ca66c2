import HTTP
import SFTP
import SFTPLambdaCore

/// Which version of the programs this is.
enum ProgramVersion {
    /// The version of the package: that of the newest entry of CHANGELOG.md, to which a test compares it. Builds before the
    /// release of a version say so (Semantic Versioning 2.0.0, section 9).
    static let text = "1.0.0-unreleased"

    /// What `--version` says: the version, and those of the libraries that speak to the network.
    static func lines(of function: LambdaFunction) -> [String] {
        [
            "\(function.rawValue) (sftp-lambda) \(text)", "libssh2 \(SFTPClient.libraryVersion)",
            HTTPClient.libraryVersion,
        ]
    }
}
