public import Foundation
import Synchronization

/// The partner's server: a real OpenSSH sshd on a loopback port, with keys and a password of its own.
///
/// `local/sshd` says how it is made. As root it offers a user with a password; else only keys can log in, and
/// `canPasswords` is false.
public final class LocalSSHD: Sendable {
    /// A kind of key.
    public enum KeyType: String, Sendable, CaseIterable {
        /// ssh-ed25519
        case ed25519
        /// ecdsa-sha2-nistp256
        case ecdsa
        /// ssh-rsa with 3,072 bits
        case rsa
    }

    /// How a private key is written down.
    public enum KeyForm: String, Sendable, CaseIterable {
        /// `BEGIN OPENSSH PRIVATE KEY`
        case openssh
        /// `BEGIN RSA PRIVATE KEY` (PKCS #1) and `BEGIN EC PRIVATE KEY` (SEC 1). Not for ed25519.
        case pem
        /// `BEGIN PRIVATE KEY` and `BEGIN ENCRYPTED PRIVATE KEY`. For ed25519 only the first.
        case pkcs8
    }

    /// What may differ from a plain server.
    public struct Options: Sendable {
        /// The host keys, the first being `hostKey`.
        public var hostKeyTypes: [KeyType] = [.ed25519]
        /// The key pairs that may log in, the first being `privateKey`. RSA takes a second or two to make, once.
        public var clientKeyTypes: [KeyType] = [.ed25519]
        /// More public keys that may log in, as lines.
        public var authorizedKeys: [String] = []
        /// Lines for sshd_config, such as `RekeyLimit 1M`. They win over those of `local/sshd`.
        public var configuration: [String] = []
        /// Runs the sessions as this user, and gives the folder to it. Needs root.
        public var userID: Int?
        /// The password; made up when nil.
        public var password: String?
        /// Whether the password has to be changed before it logs in. Needs root.
        public var isPasswordExpired = false
        /// The port; 0 takes a free one.
        public var port = 0

        /// A plain server.
        public init() {}

        /// One that offers no `posix-rename@openssh.com`: its RENAME does not replace. Logs in to the home directory.
        public static var withoutPosixRename: Options {
            var options = Options()
            options.configuration = ["ForceCommand internal-sftp -P posix-rename"]
            return options
        }
    }

    /// The server's address.
    public let host: String
    /// The server's port.
    public let port: Int
    /// The login name.
    public let user: String
    /// The first host key, as `ssh-ed25519 AAAA…`.
    public let hostKey: String
    /// The first host key's fingerprint, as `SHA256:…`.
    public let hostKeyFingerprint: String
    /// Whether password and keyboard-interactive logins work here: only as root.
    public let canPasswords: Bool
    /// The user's password; empty when `canPasswords` is false.
    public let password: String
    /// The passphrase of the encrypted forms of the client keys.
    public let passphrase: String

    private let standIn: StandIn

    /// Key pairs are kept for the life of the test process, because making RSA keys is slow.
    private static let keys = Mutex<TemporaryFolder?>(nil)

    /// Starts a server whose login directory is `folder`, and returns when it listens.
    /// - Parameter workFolder: where its log goes; beside `folder` when nil.
    public init(folder: URL, _ options: Options = Options(), workFolder: URL? = nil) throws {
        let keyFolder = try Self.keys.withLock { keys in
            let kept = try keys ?? TemporaryFolder()
            keys = kept
            return kept.url
        }
        var arguments = [
            "--root", folder.path, "--key-cache", keyFolder.path, "--port", String(options.port),
            "--host-keys", options.hostKeyTypes.map(\.rawValue).joined(separator: ","),
            "--client-keys", options.clientKeyTypes.map(\.rawValue).joined(separator: ","),
        ]
        // One word each, so that a value that begins with a dash stays a value.
        arguments += options.authorizedKeys.map { "--authorized-key=\($0)" }
        arguments += options.configuration.map { "--config=\($0)" }
        if let userID = options.userID { arguments.append("--uid=\(userID)") }
        if options.isPasswordExpired { arguments.append("--expired") }
        if let password = options.password { arguments.append("--password=\(password)") }
        let standIn = try StandIn("sshd", arguments, workFolder: workFolder ?? folder.deletingLastPathComponent())
        self.standIn = standIn

        func value(_ name: String) throws -> String {
            guard let value = standIn.ready[name] else { throw LocalSSHDFailure(description: "no \(name) is ready") }
            return value
        }
        host = try value("host")
        port = Int(try value("port")) ?? 0
        user = try value("user")
        hostKey = try value("hostKey")
        hostKeyFingerprint = try value("hostKeyFingerprint")
        canPasswords = try value("canPasswords") == "true"
        password = try value("password")
        passphrase = try value("passphrase")
    }

    /// The host key of that type, as `ssh-ed25519 AAAA…`.
    public func hostKey(_ type: KeyType) throws -> String {
        guard let line = standIn.ready["hostKey.\(type.rawValue)"] else {
            throw LocalSSHDFailure(description: "the server was started without an \(type.rawValue) host key")
        }
        return line
    }

    /// The text of a private key that may log in; encrypted with `passphrase` on demand.
    public func privateKey(
        _ type: KeyType = .ed25519, _ form: KeyForm = .openssh, encrypted: Bool = false
    ) throws -> String {
        let name = "privateKey.\(type.rawValue).\(form.rawValue)\(encrypted ? "-encrypted" : "")"
        guard let path = standIn.ready[name] else {
            throw LocalSSHDFailure(description: "the server was started without \(name)")
        }
        return try String(contentsOfFile: path, encoding: .utf8)
    }

    /// The public key line of a private key that may log in.
    public func publicKey(_ type: KeyType = .ed25519) throws -> String {
        guard let line = standIn.ready["publicKey.\(type.rawValue)"] else {
            throw LocalSSHDFailure(description: "the server was started without an \(type.rawValue) client key")
        }
        return line
    }

    /// What the server has logged so far.
    public var log: String { (try? String(contentsOf: standIn.log, encoding: .utf8)) ?? "" }

    /// Ends the server and every session. A second call does nothing.
    public func stop() { standIn.stop() }

    /// Kills every session at once, as a crash would; the server goes on listening.
    public func dropSessions() { signalSessions(SIGKILL) }

    /// Stops every session without closing its connection, as a server that hangs does.
    public func freezeSessions() { signalSessions(SIGSTOP) }

    /// Lets frozen sessions go on.
    public func thawSessions() { signalSessions(SIGCONT) }

    /// Whether there is a session, or a connection that has not logged in yet.
    public var hasSessions: Bool { !sessions.isEmpty }

    private var sessions: [Int32] {
        standIn.ready["pid"].flatMap { Int32($0) }.map { Self.descendants(of: $0) } ?? []
    }

    private func signalSessions(_ signal: Int32) {
        for process in sessions { _ = kill(process, signal) }
    }

    private static func descendants(of parent: Int32) -> [Int32] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        var children: [Int32: [Int32]] = [:]
        for process in names.compactMap({ Int32($0) }) {
            // A process that ended meanwhile has no file any more. The name before the last `)` can hold blanks.
            guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
                let fields = text.split(separator: ")").last?.split(separator: " "), fields.count > 1,
                let itsParent = Int32(fields[1])
            else { continue }
            children[itsParent, default: []].append(process)
        }
        var found: [Int32] = []
        var queue = [parent]
        while let next = queue.popLast() {
            let below = children[next] ?? []
            found += below
            queue += below
        }
        return found
    }

    deinit { stop() }
}

/// A server that is not what a test asked for.
public struct LocalSSHDFailure: Error, CustomStringConvertible {
    /// What is missing.
    public let description: String
}
