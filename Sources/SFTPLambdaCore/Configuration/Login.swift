/// Who logs in, with what, and which host keys the server must show.
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

    /// Makes a part of a login.
    public init(
        user: String? = nil, privateKey: Secret? = nil, passphrase: Secret? = nil, password: Secret? = nil,
        hostKey: String? = nil
    ) {
        self.user = user
        self.privateKey = privateKey
        self.passphrase = passphrase
        self.password = password
        self.hostKey = hostKey
    }

    /// This login with `other` filling the gaps.
    func filled(from other: PartialLogin) -> PartialLogin {
        PartialLogin(
            user: user ?? other.user, privateKey: privateKey ?? other.privateKey,
            passphrase: passphrase ?? other.passphrase, password: password ?? other.password,
            hostKey: hostKey ?? other.hostKey)
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
            user: user, privateKey: privateKey, passphrase: passphrase, password: password, hostKey: hostKey)
    }
}
