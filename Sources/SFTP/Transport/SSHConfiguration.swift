/// The server, how to log in to it, and how to know it.
public struct SSHConfiguration: Sendable, CustomStringConvertible, CustomReflectable {
    /// The host name or address.
    public var host: String
    /// The TCP port.
    public var port: UInt16
    /// The login name.
    public var user: String
    /// What proves that we are that user.
    public var credentials: SSHCredentials
    /// What proves that the server is the partner's.
    public var hostKeys: HostKeyPolicy
    /// From the name look-up until TCP stands.
    public var connectTimeoutSeconds: Double
    /// From the beginning of the TCP connection until the SFTP subsystem is started.
    public var readyTimeoutSeconds: Double
    /// The ciphers, the best first; nil for those that are sound, by what they cost. Those that libssh2 does not have are
    /// left out.
    public var ciphers: [String]?
    /// Weak algorithms that are offered behind the sound ones.
    public var legacyAlgorithms: [LegacyAlgorithm]
    /// What the server is reached through; nil for the direct way.
    public var proxy: ProxyServer?
    /// A connection on which nothing has come for so long is asked whether it is still there; nil asks never.
    public var keepaliveSeconds: Double?
    /// How many bytes a second may pass each way, those of SSH itself included; nil for whatever the line carries.
    public var maximumBytesPerSecond: Int?
    /// Leaves the changes of scripts/libssh2 to libssh2 unused, as if it had none: for tests.
    var usesLibraryAsItComes = false
    /// Sees what happens while the connection is made.
    public var observation: SSHObservation?
    /// Whether the server is asked which methods of logging in it offers even when nothing is refused. That costs a round
    /// trip.
    public var asksForMethods = false
    /// Whether a password is kept back where no host key is expected: whoever answers would have it. A private key is used
    /// all the same: what it signs is of no use elsewhere (RFC 4252, section 7).
    public var withholdsPassword = false
    /// Socket options beyond our own, set before connecting: tests make the socket narrow with them.
    var socketOptions: [SocketOption] = []
    /// Finds the addresses of the host.
    public var resolver: any AddressResolver

    /// Makes a configuration.
    public init(
        host: String, port: UInt16 = 22, user: String, credentials: SSHCredentials, hostKeys: HostKeyPolicy = .unset,
        connectTimeoutSeconds: Double = 10, readyTimeoutSeconds: Double = 20,
        ciphers: [String]? = nil, legacyAlgorithms: [LegacyAlgorithm] = [],
        resolver: any AddressResolver = SystemResolver()
    ) {
        self.host = host
        self.port = port
        self.user = user
        self.credentials = credentials
        self.hostKeys = hostKeys
        self.connectTimeoutSeconds = connectTimeoutSeconds
        self.readyTimeoutSeconds = readyTimeoutSeconds
        self.ciphers = ciphers
        self.legacyAlgorithms = legacyAlgorithms
        self.resolver = resolver
    }

    /// The sound ciphers by the CPU time that they cost on both sides, measured.
    /// - Parameter takesWholePackets: whether libssh2 gives AES-GCM whole packets, which makes it the cheapest.
    static func standardCiphers(takesWholePackets: Bool) -> [String] {
        let gcm = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"]
        let others = ["chacha20-poly1305@openssh.com", "aes256-ctr", "aes128-ctr", "aes192-ctr"]
        return takesWholePackets ? gcm + others : others + gcm
    }

    /// The user, the host and the port.
    public var description: String { "\(user)@\(host):\(port)" }

    /// Shows no credential.
    public var customMirror: Mirror {
        Mirror(self, children: ["host": host, "port": port, "user": user, "hostKeys": hostKeys])
    }
}

/// A socket option that takes a number.
struct SocketOption: Sendable {
    /// Such as SOL_SOCKET.
    let level: Int32
    /// Such as SO_SNDBUF.
    let name: Int32
    /// The number.
    let value: Int32
}

/// What proves to the server who we are: a private key, a password, or both.
public struct SSHCredentials: Sendable, CustomStringConvertible, CustomReflectable {
    /// The private key, as `PrivateKeyText` reads it.
    public var privateKey: String?
    /// What decrypts the private key.
    public var passphrase: String?
    /// The password, also for keyboard-interactive.
    public var password: String?

    /// Makes credentials. An empty text counts as none.
    public init(privateKey: String? = nil, passphrase: String? = nil, password: String? = nil) {
        self.privateKey = Self.given(privateKey)
        self.passphrase = Self.given(passphrase)
        self.password = Self.given(password)
    }

    private static func given(_ text: String?) -> String? { text?.isEmpty == false ? text : nil }

    /// Which of them there are.
    public var description: String {
        let names = [privateKey == nil ? nil : "a private key", password == nil ? nil : "a password"].compactMap(\.self)
        return names.isEmpty ? "no credentials" : names.joined(separator: " and ")
    }

    /// Shows no secret.
    public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}
