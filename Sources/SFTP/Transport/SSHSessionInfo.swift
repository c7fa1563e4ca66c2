/// What was agreed with the server while connecting: for logs.
public struct SSHSessionInfo: Sendable, Hashable {
    /// The address that answered, such as `192.0.2.1:22`.
    public var address = ""
    /// How the server names itself, such as `SSH-2.0-OpenSSH_9.2p1 Debian-2`.
    public var serverIdentification = ""
    /// The key exchange method.
    public var keyExchange = ""
    /// The algorithm of the server's host key.
    public var hostKeyAlgorithm = ""
    /// The cipher towards the server.
    public var cipherToServer = ""
    /// The cipher from the server.
    public var cipherFromServer = ""
    /// The message authentication code towards the server; the ciphers that bring their own ignore it.
    public var macToServer = ""
    /// The message authentication code from the server.
    public var macFromServer = ""
    /// The server's host key, as `ssh-ed25519 AAAA…`.
    public var hostKey = ""
    /// Its fingerprint, as `SHA256:…`.
    public var hostKeyFingerprint = ""
    /// The method that logged in, such as `publickey`; several when the server wanted several.
    public var authentication = ""
    /// The methods that the server offered when it was asked; it is asked only after a refusal.
    public var offeredAuthentication: [String] = []
}
