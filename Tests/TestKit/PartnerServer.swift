public import Foundation
import Synchronization

/// A partner's SFTP server of one of the kinds that the tests know, on a loopback port.
public final class PartnerServer: Sendable {
    /// Which server it is.
    public enum Kind: String, Sendable, CaseIterable, CustomStringConvertible {
        /// OpenSSH's sshd: `local/sshd`.
        case openSSH
        /// OpenSSH's sshd without `posix-rename@openssh.com`.
        case openSSHWithoutPosixRename
        /// ProFTPD with mod_sftp: `local/sftp_server.py`, as those that follow.
        case proftpd
        /// `rclone serve sftp`.
        case rclone
        /// asyncssh's SFTP server.
        case asyncssh

        /// Its name.
        public var description: String { rawValue }

        var isOpenSSH: Bool { self == .openSSH || self == .openSSHWithoutPosixRename }
    }

    /// Which one it is.
    public let kind: Kind
    /// Its name and version, as it says them; empty for OpenSSH, which says them in its identification.
    public let version: String
    /// The server's address.
    public let host: String
    /// The server's port.
    public let port: Int
    /// The login name.
    public let user: String
    /// The host key, as `ssh-ed25519 AAAA…`.
    public let hostKey: String
    /// The text of the private key that may log in.
    public let privateKey: String
    /// How the server calls the folder that it serves: its path, or nothing where it begins with `/`.
    public let root: String
    /// What the partner does in the folder, under the paths of the server.
    public let partner: RemoteFilesContract.Partner

    private let running: Running

    private enum Running: Sendable {
        case sshd(LocalSSHD)
        case other(StandIn)
    }

    /// Key pairs are kept for the life of the test process.
    private static let keys = Mutex<TemporaryFolder?>(nil)

    /// Starts a server whose login directory is `folder`, and returns when it listens.
    /// - Parameters:
    ///   - workFolder: where its log goes.
    ///   - rereads: that rclone sees at once what is done in the folder past it, for which it may hang in writing; the
    ///     others always see it at once.
    public init(_ kind: Kind, folder: URL, workFolder: URL, rereads: Bool = false) throws {
        self.kind = kind
        if kind.isOpenSSH {
            let options: LocalSSHD.Options = kind == .openSSH ? .init() : .withoutPosixRename
            let sshd = try LocalSSHD(folder: folder, options, workFolder: workFolder)
            (host, port, user, hostKey) = (sshd.host, sshd.port, sshd.user, sshd.hostKey)
            (version, root, privateKey) = ("", folder.path, try sshd.privateKey())
            running = .sshd(sshd)
        } else {
            let keyFolder = try Self.keys.withLock { keys in
                let kept = try keys ?? TemporaryFolder()
                keys = kept
                return kept.url
            }
            let arguments = ["--server", kind.rawValue, "--root", folder.path, "--key-cache", keyFolder.path]
            let standIn = try StandIn(
                "sftp_server.py", arguments + (rereads ? ["--rereads"] : []), workFolder: workFolder)
            func value(_ name: String) throws -> String {
                guard let value = standIn.ready[name] else {
                    throw LocalSSHDFailure(description: "no \(name) is ready")
                }
                return value
            }
            (host, port, user) = (try value("host"), Int(try value("port")) ?? 0, try value("user"))
            (hostKey, version) = (try value("hostKey"), try value("version"))
            privateKey = try String(contentsOfFile: value("privateKey"), encoding: .utf8)
            let root = try value("root")
            self.root = root == "/" ? "" : root
            running = .other(standIn)
        }
        partner = .localFileSystem(below: root.isEmpty ? folder.path : "")
    }

    /// Cuts every connection at once; the server goes on listening.
    public func dropSessions() {
        switch running {
        case .sshd(let sshd): sshd.dropSessions()
        case .other(let standIn): Self.cut(standIn)
        }
    }

    /// Returns when it is done: what is asked for afterwards must not get through any more.
    private static func cut(_ standIn: StandIn) {
        guard let processID = standIn.ready["pid"].flatMap({ Int32($0) }), let file = standIn.ready["cuts"] else {
            return
        }
        func count() -> Int { FileManager.default.contents(atPath: file)?.count ?? 0 }
        let before = count()
        _ = kill(processID, SIGUSR1)
        let limit = ContinuousClock.now + .seconds(10)
        while count() == before, ContinuousClock.now < limit { usleep(1000) }
    }

    /// What the server has logged so far.
    public var log: String {
        switch running {
        case .sshd(let sshd): sshd.log
        // For a person who looks for a cause: nothing is as good as an error.
        case .other(let standIn): (try? String(contentsOf: standIn.log, encoding: .utf8)) ?? ""
        }
    }

    /// Ends the server and every session. A second call does nothing.
    public func stop() {
        switch running {
        case .sshd(let sshd): sshd.stop()
        case .other(let standIn): standIn.stop()
        }
    }
}
