import HTTP
import SFTP
import SFTPLambdaCore

/// Which version of the programs this is.
enum ProgramVersion {
    /// The version of the package.
    static let text = "1.0.0"

    /// What `--version` says: the version, and those of the libraries that speak to the network.
    static func lines(of function: LambdaFunction) -> [String] {
        [
            "\(function.rawValue) (sftp-lambda) \(text)", "libssh2 \(SFTPClient.libraryVersion)",
            HTTPClient.libraryVersion,
        ]
    }
}
