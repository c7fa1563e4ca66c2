/// What keeps us from working with the partner's server, as far as a person has to mend it: how it is told, what it means
/// and what to do. The errors take their words from here, and so does `docs/troubleshooting.md`.
enum ServerProblem: String, CaseIterable, Sendable {
    // The network.
    case nameUnknown, nameServiceFails, nameServiceSilent, connectionRefused, hostUnreachable, connectTimeout
    // The proxy before the server.
    case proxyLoginRefused, proxyRefuses, proxyUnsuited, noProxy, proxySilent, proxyLost
    // The SSH version and key exchange.
    case neverReady, noSSHServer, tooManyLogins, addressKeptOut, closedAtOnce, weakAlgorithms, exchangeFailed
    // The server's host key.
    case hostKeyUnreadable, hostKeyChanged, hostKeyRevoked
    // Our private key.
    case keyIsPublic, keyIsPuTTY, keyIsOfSSH2, keyIsCertificate, keyIsFileName, keyIsEncoded, keyIsNone, keyCutOff
    case keyDamaged, keyOfOtherKind, keyUnreadable, passphraseMissing, passphraseWrong
    // Logging in.
    case noCredentials, keyRefused, passwordRefused, keyWanted, passwordWanted, passwordExpired, loginCutOff
    case weakSignature, passwordWithheld
    // SFTP itself.
    case channelRefused, sftpRefused, sftpEnded
}

/// Where a connection goes, and as whom, as messages name it.
struct ServerPlace: Sendable {
    var host: String
    var port: String
    var user: String

    /// For what is wrong before there is any server.
    static let none = ServerPlace(host: "", port: "", user: "")
}

extension ServerPlace {
    init(_ configuration: SSHConfiguration) {
        self.init(host: configuration.host, port: "\(configuration.port)", user: configuration.user)
    }
}

extension ServerProblem {
    /// The step that fails.
    var step: SFTPError.Step {
        switch self {
        case .nameUnknown, .nameServiceFails, .nameServiceSilent: .resolve
        case .connectionRefused, .hostUnreachable, .connectTimeout, .proxyLoginRefused, .proxyRefuses, .proxyUnsuited,
            .noProxy, .proxySilent, .proxyLost:
            .connect
        case .neverReady, .noSSHServer, .tooManyLogins, .addressKeptOut, .closedAtOnce, .weakAlgorithms,
            .exchangeFailed:
            .handshake
        case .hostKeyUnreadable, .hostKeyChanged, .hostKeyRevoked: .hostKey
        case .keyIsPublic, .keyIsPuTTY, .keyIsOfSSH2, .keyIsCertificate, .keyIsFileName, .keyIsEncoded, .keyIsNone,
            .keyCutOff, .keyDamaged, .keyOfOtherKind, .keyUnreadable, .passphraseMissing, .passphraseWrong,
            .noCredentials, .keyRefused, .passwordRefused, .keyWanted, .passwordWanted, .passwordExpired, .loginCutOff,
            .weakSignature, .passwordWithheld:
            .authentication
        case .channelRefused, .sftpRefused, .sftpEnded: .sftpStart
        }
    }

    /// What a caller can act on.
    var reason: SFTPError.Reason {
        switch self {
        case .nameUnknown, .nameServiceFails, .connectionRefused, .hostUnreachable, .proxyRefuses: .unreachable
        case .nameServiceSilent, .connectTimeout, .neverReady, .proxySilent: .timeout
        case .noSSHServer, .exchangeFailed, .noProxy: .protocolViolation
        case .tooManyLogins, .addressKeptOut, .closedAtOnce, .sftpEnded, .proxyLost: .connectionLost
        case .weakAlgorithms, .weakSignature, .channelRefused, .sftpRefused, .proxyUnsuited: .unsupported
        case .hostKeyChanged, .hostKeyRevoked: .hostKeyMismatch
        case .hostKeyUnreadable, .keyIsPublic, .keyIsPuTTY, .keyIsOfSSH2, .keyIsCertificate, .keyIsFileName,
            .keyIsEncoded, .keyIsNone, .keyCutOff, .keyDamaged, .keyOfOtherKind, .keyUnreadable, .passphraseMissing,
            .passphraseWrong, .noCredentials, .passwordWithheld:
            .invalidConfiguration
        case .keyRefused, .passwordRefused, .keyWanted, .passwordWanted, .passwordExpired, .loginCutOff,
            .proxyLoginRefused:
            .authenticationRejected
        }
    }

    /// How the message begins.
    func symptom(_ place: ServerPlace) -> String {
        let server = "\(place.host) port \(place.port)"
        return switch self {
        case .nameUnknown: "the host name \(place.host) has no address"
        case .nameServiceFails: "the address of \(place.host) cannot be looked up"
        case .nameServiceSilent: "looking up \(place.host) took too long"
        case .connectionRefused: "\(server) refuses the connection"
        case .hostUnreachable: "\(server) cannot be reached"
        case .connectTimeout: "\(server) does not answer"
        case .proxyLoginRefused: "the proxy \(server) does not let us in"
        case .proxyRefuses: "the proxy \(server) does not connect us to the server"
        case .proxyUnsuited: "the proxy \(server) cannot connect us to such a server"
        case .noProxy: "what answers at \(server) is no proxy of the kind that SFTP_PROXY names"
        case .proxySilent: "the proxy \(server) has not connected us to the server in time"
        case .proxyLost: "the proxy \(server) ended the connection"
        case .neverReady: "the server at \(server) was not ready in time"
        case .noSSHServer: "what answers at \(server) is no SSH server"
        case .tooManyLogins: "the server at \(server) takes no further connection"
        case .addressKeptOut: "the server at \(server) keeps this address out"
        case .closedAtOnce: "the server at \(server) closed the connection"
        case .weakAlgorithms: "nothing to agree on with the server at \(server)"
        case .exchangeFailed: "the key exchange with \(server) failed"
        case .hostKeyUnreadable: "SFTP_HOST_KEY cannot be used"
        case .hostKeyChanged: "the server at \(place.host) shows another host key than SFTP_HOST_KEY expects"
        case .hostKeyRevoked: "the server at \(place.host) shows a host key that SFTP_HOST_KEY marks as revoked"
        case .keyIsPublic: "SFTP_PRIVATE_KEY is a public key"
        case .keyIsPuTTY: "SFTP_PRIVATE_KEY is a PuTTY key (.ppk)"
        case .keyIsOfSSH2: "SFTP_PRIVATE_KEY is a key in the form of ssh.com (SSH2)"
        case .keyIsCertificate: "SFTP_PRIVATE_KEY is a certificate"
        case .keyIsFileName: "SFTP_PRIVATE_KEY holds the name of a file"
        case .keyIsEncoded: "SFTP_PRIVATE_KEY is a key file in base 64"
        case .keyIsNone: "SFTP_PRIVATE_KEY holds no private key for SSH"
        case .keyCutOff: "SFTP_PRIVATE_KEY is cut off"
        case .keyDamaged: "SFTP_PRIVATE_KEY is damaged or cut off"
        case .keyOfOtherKind: "SFTP_PRIVATE_KEY is of a kind that cannot be used"
        case .keyUnreadable: "SFTP_PRIVATE_KEY cannot be read by libssh2"
        case .passphraseMissing: "SFTP_PRIVATE_KEY is encrypted"
        case .passphraseWrong: "SFTP_PRIVATE_KEY cannot be decrypted"
        case .noCredentials: "there is nothing to log in with"
        case .keyRefused, .passwordRefused, .keyWanted, .passwordWanted:
            "the user \(place.user) was refused at \(place.host)"
        case .passwordExpired: "the password of the user \(place.user) at \(place.host) has to be changed"
        case .loginCutOff: "the server at \(place.host) hung up while \(place.user) was logging in"
        case .weakSignature: "the private key is not used"
        case .passwordWithheld: "the password was not sent"
        case .channelRefused: "the server at \(place.host) let \(place.user) in but refused to open a channel"
        case .sftpRefused: "the server at \(place.host) let \(place.user) in but does not start SFTP"
        case .sftpEnded: "SFTP ended before it had begun"
        }
    }

    /// What it means: for the page.
    var meaning: String {
        switch self {
        case .nameUnknown:
            "The name service knows no such name. Often it is misspelt, or only known inside the partner's network."
        case .nameServiceFails: "The name service itself failed, or could not be asked. The name may be right."
        case .nameServiceSilent: "Nothing answered the question for the address in time."
        case .connectionRefused:
            "A machine has that address and nothing takes connections at that port, or a firewall before it says so."
        case .hostUnreachable: "The network has no way to that address. The message says what the system answered."
        case .connectTimeout:
            "Packets are sent and nothing comes back: a firewall drops them, on your side or on the partner's, or there "
                + "is no way out of the network that this runs in."
        case .proxyLoginRefused: "The proxy wants a user and a password, or others than those that SFTP_PROXY holds."
        case .proxyRefuses:
            "The proxy works, and did not connect us: its rules forbid it, or it does not reach the server. The message has "
                + "its answer."
        case .proxyUnsuited:
            "The proxy does not know the request, or not this kind of address. The message has its answer."
        case .noProxy:
            "Something else uses that port, or the proxy speaks another protocol. The message has its first words and what "
                + "they look like."
        case .proxySilent: "The connection to the proxy stands, and no answer came, or no end of one."
        case .proxyLost: "It hung up before it had connected us. Often that is how it refuses."
        case .neverReady: "The connection stands, and the server is silent or slow. The message says which."
        case .noSSHServer: "Another service uses that port. The message has its first words."
        case .tooManyLogins: "OpenSSH takes only so many connections that are not logged in yet (MaxStartups)."
        case .addressKeptOut: "OpenSSH keeps an address out for a while after failed logins (PerSourcePenalties)."
        case .closedAtOnce:
            "It has too many connections, admits only known addresses, or something in front of it gave up."
        case .weakAlgorithms:
            "The server offers only algorithms that are known to be weak, or some that nobody has any more. Those are "
                + "not used unless a setting names them."
        case .exchangeFailed: "The two sides did not come to an encrypted connection. The message says at what."
        case .hostKeyUnreadable:
            "A line of the setting is none of the forms that a host key has. Nothing was connected."
        case .hostKeyChanged:
            "The server was set up anew or moved, or somebody stands in between. The message has both fingerprints: the one "
                + "that is shown, and those that are expected. No credential was sent."
        case .hostKeyRevoked: "The partner has declared this key invalid, for example because it was stolen."
        case .keyIsPublic: "The public half cannot log in: it is the one that the partner is given."
        case .keyIsPuTTY: "PuTTY has a form of its own, which only its tools read."
        case .keyIsOfSSH2: "Tectia and ssh.com have a form of their own."
        case .keyIsCertificate: "A certificate says something of a key, and is none."
        case .keyIsFileName: "The setting takes the key itself. Lambda has no such file."
        case .keyIsEncoded: "Somebody encoded the file once more, to have it on one line. That is not needed."
        case .keyIsNone: "What is there does not begin as a private key does."
        case .keyCutOff:
            "The end is missing. Environment variables of Lambda hold 4 KB together; an RSA key fills nearly all of that."
        case .keyDamaged: "Characters are missing or changed in the middle of the key."
        case .keyOfOtherKind: "It is a DSA key, one in a security key that somebody has to touch, or on a rare curve."
        case .keyUnreadable: "It looks whole from outside, and the library that logs in cannot read it."
        case .passphraseMissing: "The key is protected by a passphrase, and none is set."
        case .passphraseWrong: "The passphrase does not open the key."
        case .noCredentials: "Neither a private key nor a password is set."
        case .keyRefused:
            "The user does not exist, may not log in, or this key is not entered for it. A server does not say which. "
                + "The message says what the server offers, what was tried, and the fingerprint of the key."
        case .passwordRefused:
            "The user does not exist, may not log in, or has another password. A server does not say which."
        case .keyWanted: "The server takes keys alone, and none is set."
        case .passwordWanted: "The server wants a password, and none is set. It may want a key as well."
        case .passwordExpired:
            "The password is right and too old: the server wants a new one before it lets anybody in."
        case .loginCutOff: "The server counts failed tries and has enough, or lets this user in from nowhere."
        case .weakSignature:
            "It is an RSA key, and the server does not say that it takes signatures with SHA-2. Those with SHA-1 "
                + "(ssh-rsa) can be forged with effort."
        case .passwordWithheld:
            "A check without SFTP_HOST_KEY sends no password: whoever answers at that address would have it. A key "
                + "gives nothing away, so with a key it goes on."
        case .channelRefused: "The login is right. The account is limited to fewer sessions, or is not allowed in."
        case .sftpRefused: "The login is right. The account is not allowed SFTP, or the server offers none."
        case .sftpEnded:
            "The login is right, and then the server closed. The account may be allowed no SFTP, have no home directory, or "
                + "have an expired password, which some servers find out only then."
        }
    }

    /// What stands in the place of the very line to set.
    static let keyShown = "SFTP_HOST_KEY to the one that is shown"

    /// What to do: the end of the message.
    var remedy: String {
        switch self {
        case .nameUnknown: "check SFTP_HOST; a name of the partner's own network has to become an address"
        case .nameServiceFails, .nameServiceSilent:
            "try again; if it stays, check the name service that this network uses (in a VPC: that DNS resolution is "
                + "switched on, and that its DNS server resolves names of the internet)"
        case .connectionRefused:
            "check SFTP_HOST and SFTP_PORT; if they are right, ask the partner whether the server runs, and whether it "
                + "admits your address"
        case .hostUnreachable:
            "check SFTP_HOST, and the network that this runs in: its route to that address, and IPv6 where the address is one"
        case .connectTimeout:
            "check SFTP_HOST and SFTP_PORT, that the firewalls between let it through, and that the partner admits your "
                + "address"
        case .proxyLoginRefused:
            "check the user and the password in SFTP_PROXY (of HTTP, only the method Basic is known here), or ask who runs "
                + "the proxy"
        case .proxyRefuses:
            "check SFTP_HOST and SFTP_PORT, and ask who runs the proxy whether its rules permit that host and port"
        case .proxyUnsuited: "ask who runs the proxy, or set SFTP_PROXY to another one"
        case .noProxy: "check SFTP_PROXY"
        case .proxySilent, .proxyLost:
            "check SFTP_PROXY, and ask who runs the proxy whether it reaches the server and what its rules permit"
        case .neverReady: "check SFTP_HOST and SFTP_PORT, or allow more with SFTP_SSH_READY_TIMEOUT_SECONDS"
        case .noSSHServer: "check SFTP_HOST and SFTP_PORT"
        case .tooManyLogins:
            "too many connections are logging in there at once; a later try may be taken. If it is seen often, let fewer "
                + "functions run at once (reserved concurrency), or ask the partner for a higher MaxStartups"
        case .addressKeptOut:
            "a later try may be taken. If it is seen often, check the login, or ask the partner to exempt the address "
                + "(PerSourcePenalties)"
        case .closedAtOnce:
            "try again; if it stays, ask the partner whether the server has too many connections, or admits only known "
                + "addresses"
        case .weakAlgorithms:
            "ask the partner to offer algorithms that are safe. To use those of the server nevertheless, set "
                + "SFTP_LEGACY_ALGORITHMS to the value that the message names"
        case .exchangeFailed: "try again; if it stays, ask the partner with the words of this message"
        case .hostKeyUnreadable:
            "expected a line of known_hosts, a public key such as `ssh-ed25519 AAAA…`, or a fingerprint `SHA256:…`"
        case .hostKeyChanged:
            "No credential was sent. Ask the partner, by another way than this connection, whether the key was changed: "
                + "only then set \(Self.keyShown)"
        case .hostKeyRevoked:
            "No credential was sent. Ask the partner, by another way than this connection, what the server's key is now"
        case .keyIsPublic: "the private one is needed, usually in the file of that name without .pub"
        case .keyIsPuTTY:
            "convert it with `puttygen key.ppk -O private-openssh -o key`, and set what is in the new file"
        case .keyIsOfSSH2:
            "convert it with `ssh-keygen -i -f key` (without a passphrase, which that cannot read), and set what it prints"
        case .keyIsCertificate: "the private key is needed, which is in another file"
        case .keyIsFileName: "set what is in the file, for example by `SFTP_PRIVATE_KEY=\"$(cat FILE)\"`"
        case .keyIsEncoded: "set what `base64 --decode` makes of it; line breaks may be written `\\n`"
        case .keyIsNone:
            "it has to begin with `-----BEGIN … PRIVATE KEY-----`, as the file does; line breaks may be written `\\n`"
        case .keyCutOff, .keyDamaged:
            "paste the file as a whole; where that is too long for a variable, put it into a secret (SFTP_SECRET_ID)"
        case .keyOfOtherKind:
            "make an ed25519 key (`ssh-keygen -t ed25519 -f key`), and give the partner its public half"
        case .keyUnreadable:
            "see that `ssh-keygen -y -f key` reads it, or make an ed25519 key (`ssh-keygen -t ed25519 -f key`)"
        case .passphraseMissing: "set SFTP_PRIVATE_KEY_PASSPHRASE, or take a key without one"
        case .passphraseWrong:
            "SFTP_PRIVATE_KEY_PASSPHRASE is wrong, or the key is damaged: `ssh-keygen -y -f key` asks for the passphrase "
                + "too, and shows the public half when it is right"
        case .noCredentials: "set SFTP_PRIVATE_KEY or SFTP_PASSWORD"
        case .keyRefused:
            "check SFTP_USER, and ask the partner whether this user may log in and has this key: `ssh-keygen -y -f key` "
                + "shows the public half to give to him"
        case .passwordRefused:
            "check SFTP_USER and SFTP_PASSWORD, and ask the partner whether this user may log in with a password"
        case .keyWanted: "set SFTP_PRIVATE_KEY"
        case .passwordWanted: "set SFTP_PASSWORD"
        case .passwordExpired:
            "change it by hand (`ssh USER@HOST` or `sftp USER@HOST` asks for a new one) or have the partner do it, and set "
                + "SFTP_PASSWORD. A key does not expire: ask for one"
        case .loginCutOff:
            "check SFTP_USER and what it logs in with, and ask the partner with the words of this message"
        case .weakSignature:
            "log in with an ed25519 or ecdsa key, or ask the partner for a newer server. To use it nevertheless, set "
                + "SFTP_LEGACY_ALGORITHMS to the value that the message names"
        case .passwordWithheld:
            "make sure with the partner that the key shown is his, set SFTP_HOST_KEY, and check again"
        case .channelRefused: "ask the partner to allow one more session for this account"
        case .sftpRefused: "ask the partner to allow SFTP for this account"
        case .sftpEnded:
            "try again; if it stays, `sftp USER@HOST` by hand shows what the server says: ask the partner whether this "
                + "account may use SFTP, and whether its password has expired"
        }
    }
}

extension SFTPError {
    /// The error for a problem that somebody has to mend: `symptom (seen): remedy`.
    /// - Parameters:
    ///   - step: where it was met, if that is another one than the problem's own.
    ///   - seen: what was seen of it, with the values of this case; never a secret.
    ///   - remedy: what to do, where more is known than the problem's own words say.
    init(
        _ problem: ServerProblem, _ place: ServerPlace = .none, step: Step? = nil, seen: String = "",
        remedy: String? = nil
    ) {
        let symptom = problem.symptom(place) + (seen.isEmpty ? "" : " (\(seen))")
        self = SFTPError(step ?? problem.step, problem.reason, symptom).remedied(by: remedy ?? problem.remedy)
    }
}
