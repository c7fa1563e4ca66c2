public import SFTP

/// Who logs in, with what, which host keys the server must show, and the way to it, which may take a password too.
public struct Login: Sendable, Hashable {
    /// The user.
    public var user: String
    /// The private key, if there is one; there is at least one of key and password.
    public var privateKey: Secret?
    /// The passphrase of the private key.
    public var passphrase: Secret?
    /// The password.
    public var password: Secret?
    /// The host keys, one to a line: known_hosts lines, public keys or fingerprints. Nil: none is known.
    public var hostKey: String?
    /// What the server is reached through; nil: nothing.
    public var proxy: ProxyServer?

    /// The names of what a secret says of this login: what the plain variables do not say, or say otherwise.
    func partsOfSecret(besides plain: PartialLogin) -> [String] {
        var names: [String] = []
        if user != plain.user { names.append("Username") }
        if let privateKey, privateKey != plain.privateKey { names.append("PrivateKey") }
        if let passphrase, passphrase != plain.passphrase { names.append("Passphrase") }
        if let password, password != plain.password { names.append("Password") }
        if let hostKey, hostKey != plain.hostKey { names.append("HostKey") }
        if let proxy, proxy != plain.proxy { names.append("Proxy") }
        return names
    }
}

/// What one source says of a login. Any part may be missing.
public struct PartialLogin: Sendable, Hashable {
    /// The user.
    public var user: String?
    /// The private key.
    public var privateKey: Secret?
    /// The passphrase of the private key.
    public var passphrase: Secret?
    /// The password.
    public var password: Secret?
    /// The host keys, one to a line.
    public var hostKey: String?
    /// What the server is reached through.
    public var proxy: ProxyServer?

    /// Makes a part of a login.
    public init(
        user: String? = nil, privateKey: Secret? = nil, passphrase: Secret? = nil, password: Secret? = nil,
        hostKey: String? = nil, proxy: ProxyServer? = nil
    ) {
        self.user = user
        self.privateKey = privateKey
        self.passphrase = passphrase
        self.password = password
        self.hostKey = hostKey
        self.proxy = proxy
    }

    /// This login with `other` filling the gaps.
    func filled(from other: PartialLogin) -> PartialLogin {
        PartialLogin(
            user: user ?? other.user, privateKey: privateKey ?? other.privateKey,
            passphrase: passphrase ?? other.passphrase, password: password ?? other.password,
            hostKey: hostKey ?? other.hostKey, proxy: proxy ?? other.proxy)
    }

    /// The login, when it is whole: a user, and a key or a password.
    /// - Throws: `SettingsError` that names what is missing.
    func whole() throws(SettingsError) -> Login {
        var faults: [SettingFault] = []
        let nowhere = "is not set, and the secret of SFTP_SECRET_ID holds no"
        if user == nil { faults.append(SettingFault(Settings.user.declaration, "\(nowhere) Username")) }
        if privateKey == nil && password == nil {
            faults.append(
                SettingFault(Settings.privateKey.declaration, "\(nowhere) PrivateKey and no Password (spelt like that)")
            )
        }
        guard let user, faults.isEmpty else { throw SettingsError(faults) }
        return Login(
            user: user, privateKey: privateKey, passphrase: passphrase, password: password, hostKey: hostKey,
            proxy: proxy)
    }
}
