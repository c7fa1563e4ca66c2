import CLibCrypto
import CLibSSH2
import Glibc
import Logging
import TextForms

/// Logs in: with the private key, then the password, then the password through keyboard-interactive, as far as they
/// are given. A server that wants several of them gets several.
struct SSHAuthentication {
    /// The ways that we know (RFC 4252, section 5; RFC 4256), in the order in which they are tried.
    enum Method: String, CaseIterable {
        case publicKey = "publickey"
        case password = "password"
        case keyboardInteractive = "keyboard-interactive"
    }

    /// A server that wants several proofs in an order other than ours needs a second pass; more would be guessing.
    private static let passLimit = 2

    private let connection: SSHConnection
    private let credentials: SSHCredentials
    private let user: String
    /// The key that is to be used, or why it cannot be: that is told when it comes to logging in.
    private let usableKey: Result<PrivateKeyText?, SFTPError>
    /// Whether there is a password that is not sent, since nobody knows who would get it.
    private let isPasswordWithheld: Bool
    private var place: ServerPlace { ServerPlace(connection.configuration) }

    init(_ connection: SSHConnection) {
        self.connection = connection
        let configuration = connection.configuration
        var credentials = configuration.credentials
        isPasswordWithheld =
            configuration.withholdsPassword && configuration.hostKeys.isUnset && credentials.password != nil
        if isPasswordWithheld { credentials.password = nil }
        self.credentials = credentials
        user = configuration.user
        usableKey = Result { [credentials] () throws(SFTPError) in try credentials.usableKey() }
    }

    /// Whether logging in has to know first which signatures the server takes, as it has to with an RSA key: what the
    /// server says of them (RFC 8308, section 3.1) may come as late as its answer to the request for the service.
    var needsAlgorithmsOfServer: Bool {
        guard case .success(let key?) = usableKey else { return false }
        return key.keyType == nil || key.keyType == PublicKey.rsaType
    }

    /// Logs in. A key that could only be given an unsafe signature is left out where there is a password.
    /// - Throws: `SFTPError` of step `.authentication`.
    func logIn() throws(SFTPError) {
        let given = try usableKey.get()
        let leftOut = try given.flatMap { key throws(SFTPError) in try refusalOfSHA1(with: key) }
        if let leftOut {
            guard credentials.password != nil else { throw leftOut }
            connection.logger.warning(
                "the private key is left out, and the password is used alone",
                metadata: ["reason": "\(leftOut.message)"])
        }
        let key = leftOut == nil ? given : nil
        var methods = Method.allCases.filter { $0 == .publicKey ? key != nil : credentials.password != nil }
        guard !methods.isEmpty || isPasswordWithheld else { throw SFTPError(.noCredentials) }
        var tried: [String] = []
        if connection.configuration.asksForMethods {
            connection.info.offeredAuthentication = try offeredMethods()
            // A server that asks for no proof lets in who only asks.
            if libssh2_userauth_authenticated(connection.session.handle) == 1 { return done(nil, after: tried) }
        }
        guard !methods.isEmpty else { throw withheld() }
        var isExpired = false
        for _ in 0..<Self.passLimit {
            for method in methods {
                let refusal = try attempt(method, key: key)
                isExpired = isExpired || refusal == Self.expiry
                if libssh2_userauth_authenticated(connection.session.handle) == 1 { return done(method, after: tried) }
                tried.append(method.rawValue + (refusal.isEmpty ? "" : " (\(refusal))"))
            }
            // After a proof that was taken but is not enough, the server no longer offers it: that tells it apart
            // from one that was refused, so asking again can only help when something is missing from the offer.
            let offered = try offeredMethods()
            if libssh2_userauth_authenticated(connection.session.handle) == 1 { return done(nil, after: tried) }
            connection.info.offeredAuthentication = offered
            let isProgress = methods.contains { !offered.contains($0.rawValue) }
            methods = methods.filter { offered.contains($0.rawValue) }
            guard isProgress, tried.count > 1, !methods.isEmpty else { break }
        }
        if isPasswordWithheld { throw withheld(tried) }
        var failure = refused(key: given, tried: tried, isExpired: isExpired)
        if let leftOut { failure.message += "; the key was left out: \(leftOut.message)" }
        throw failure
    }

    private func done(_ method: Method?, after tried: [String]) {
        let name = method?.rawValue ?? "none"
        connection.info.authentication = name
        connection.logger.debug(
            "logged in", metadata: ["method": "\(name)", "triedBefore": "\(tried.joined(separator: ", "))"])
    }

    // MARK: The methods

    private static let expiry = "the server wants a new password first"

    /// - Returns: libssh2's words for the refusal; empty when there is nothing to say.
    private func attempt(_ method: Method, key: PrivateKeyText?) throws(SFTPError) -> String {
        let result: Int32
        let givenBytes = connection.wire.givenBytes
        defer { connection.session.promptPassword = nil }
        switch method {
        case .publicKey:
            guard let key else { return "" }
            result = try tryKey(key)
        case .password: result = try tryPassword()
        case .keyboardInteractive: result = try tryKeyboardInteractive()
        }
        if connection.session.isNewPasswordAsked { return Self.expiry }
        switch result {
        case 0: return ""
        case LIBSSH2_ERROR_AUTHENTICATION_FAILED:
            // So libssh2 calls a request for a new password (RFC 4252, section 8); of a wrong one it says more.
            let isExpired = method == .password && connection.session.lastError.text == "Authentication failed"
            return isExpired ? Self.expiry : ""
        // The signature itself was not what the server objects to: it has said before that it knows the key.
        case LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED: return ""
        case LIBSSH2_ERROR_PASSWORD_EXPIRED: return Self.expiry
        default: break
        }
        // libssh2 has many codes for a key that it cannot read, but for none of them does it send a byte.
        if let key, method == .publicKey, connection.wire.givenBytes == givenBytes, !connection.wire.isEnded {
            throw unreadable(key)
        }
        if connection.wire.isEnded || connection.wire.farewell != nil { throw lost(while: method) }
        let (code, text) = connection.session.lastError
        return "\(text), \(code)"
    }

    private func tryKey(_ key: PrivateKeyText) throws(SFTPError) -> Int32 {
        let handle = connection.session.handle
        let passphrase = SecretBytes(key.isEncrypted ? credentials.passphrase ?? "" : "")
        return try key.pem.withCString { pem throws(SFTPError) in
            try passphrase.withCString { passphrase throws(SFTPError) in
                try connection.drive(.authentication) {
                    libssh2_userauth_publickey_frommemory(
                        handle, user, user.utf8.count, nil, 0, pem, key.pem.count,
                        key.isEncrypted ? passphrase : nil)
                }
            }
        }
    }

    private func isRSA(_ key: PrivateKeyText) throws(SFTPError) -> Bool {
        if let type = key.keyType { return type == PublicKey.rsaType }
        let passphrase = SecretBytes(key.isEncrypted ? credentials.passphrase ?? "" : "")
        return try key.pem.withCString { pem throws(SFTPError) in
            try passphrase.withCString { passphrase throws(SFTPError) in
                crypto_is_rsa_private_key(pem, Int32(key.pem.count), passphrase) == 1
            }
        }
    }

    /// Why the key is not used: libssh2 would sign with SHA-1, or it cannot be known that it would not. Nil for a key that
    /// can be used.
    ///
    /// A server that does not say which signatures it takes (RFC 8308, section 3.1), or takes none of today, would be
    /// given one with SHA-1 by libssh2.
    private func refusalOfSHA1(with key: PrivateKeyText) throws(SFTPError) -> SFTPError? {
        let legacy = connection.configuration.legacyAlgorithms
        guard !legacy.contains(.rsaSHA1), try isRSA(key) else { return nil }
        let server = "the server at \(connection.configuration.host) (\(connection.info.serverIdentification))"
        let session = connection.session
        if let name = session.signatureAlgorithm(user: user), name != PublicKey.rsaType { return nil }
        let what: String
        let remedy: String
        if session.tellsSignatureAlgorithm {
            what =
                "\(server) does not say that it takes RSA signatures with SHA-2, and those with SHA-1 (ssh-rsa) are not "
                + "safe and not used by default"
            remedy = "log in with an ed25519 or ecdsa key, or ask the partner for a newer server"
        } else {
            what =
                "\(Self.stockAdvice), so \(server) might be given one with SHA-1 (ssh-rsa), which is not safe and not done "
                + "by default"
            remedy = "build the program with `make package`, or log in with an ed25519 or ecdsa key"
        }
        return SFTPError(
            .weakSignature, place, seen: what,
            remedy: "\(remedy). To use them nevertheless, set \(LegacyAlgorithm.setting(legacy, with: [.rsaSHA1]))")
    }

    private static let stockAdvice =
        "this program runs with \(SSHSession.libraryVersion) of libssh2 without the changes of scripts/deps, which "
        + (SSHSession.signsWithSHA2
            ? "does not tell with what it signs for an RSA key" : "signs for an RSA key with SHA-1 alone")

    private func tryPassword() throws(SFTPError) -> Int32 {
        let handle = connection.session.handle
        let password = SecretBytes(credentials.password ?? "")
        return try password.withCString { text throws(SFTPError) in
            try connection.drive(.authentication) {
                libssh2_userauth_password_ex(
                    handle, user, UInt32(user.utf8.count), text, UInt32(password.count), nil)
            }
        }
    }

    private func tryKeyboardInteractive() throws(SFTPError) -> Int32 {
        let handle = connection.session.handle
        connection.session.promptPassword = SecretBytes(credentials.password ?? "")
        return try connection.drive(.authentication) {
            if connection.session.promptRounds > SSHSession.promptRoundLimit {
                return LIBSSH2_ERROR_AUTHENTICATION_FAILED
            }
            return libssh2_userauth_keyboard_interactive_ex(
                handle, user, UInt32(user.utf8.count), answerPromptsOfSession)
        }
    }

    /// What the server offers now; it answers with a list only while nobody is logged in.
    private func offeredMethods() throws(SFTPError) -> [String] {
        let handle = connection.session.handle
        var list = ""
        let result = try connection.drive(.authentication) {
            guard let text = libssh2_userauth_list(handle, user, UInt32(user.utf8.count)) else {
                return connection.session.lastError.code
            }
            list = ServerText.printable(String(cString: text).utf8.prefix(256))
            return 0
        }
        // The refusal is what matters; a server that hangs up on this question has refused too.
        return result == 0 ? list.split(separator: ",").map(String.init) : []
    }

    // MARK: Failures

    private func refused(key: PrivateKeyText?, tried: [String], isExpired: Bool) -> SFTPError {
        let offered = connection.info.offeredAuthentication
        var parts = [offer(offered), "tried: \(tried.joined(separator: ", "))"]
        if let key { parts.append("the key given is \(key.name)") }
        if let farewell = connection.wire.farewell { parts.append("the server said \"\(farewell)\"") }
        if key?.keyType == "ssh-rsa", !SSHSession.signsWithSHA2 { parts.append(Self.rsaAdvice) }
        let problem: ServerProblem = isExpired ? .passwordExpired : problem(offered: offered, key: key)
        return SFTPError(problem, place, seen: parts.joined(separator: "; "))
    }

    /// - Parameter tried: what was tried without the password.
    private func withheld(_ tried: [String] = []) -> SFTPError {
        let parts =
            [offer(connection.info.offeredAuthentication), "SFTP_HOST_KEY is not set"]
            + (tried.isEmpty ? [] : ["tried without it: \(tried.joined(separator: ", "))"])
        let line = connection.info.hostKey
        return SFTPError(
            .passwordWithheld, place, seen: parts.joined(separator: "; "),
            remedy: "\(ServerProblem.passwordWithheld.remedy): SFTP_HOST_KEY='\(line)'")
    }

    private func offer(_ offered: [String]) -> String {
        offered.isEmpty ? "the server offers no method" : "the server offers \(offered.joined(separator: ","))"
    }

    private func problem(offered: [String], key: PrivateKeyText?) -> ServerProblem {
        if key == nil, offered == [Method.publicKey.rawValue] { return .keyWanted }
        if credentials.password == nil, !offered.isEmpty, !offered.contains(Method.publicKey.rawValue) {
            return .passwordWanted
        }
        return key == nil ? .passwordRefused : .keyRefused
    }

    private static let rsaAdvice =
        "RSA keys need libssh2 >= 1.11, and this program runs with \(SSHSession.libraryVersion), which can sign only "
        + "with SHA-1, which today's servers refuse"

    private func unreadable(_ key: PrivateKeyText) -> SFTPError {
        let (code, text) = connection.session.lastError
        if key.isEncrypted { return SFTPError(.passphraseWrong, seen: "\(text), \(code)") }
        return SFTPError(
            .keyUnreadable, seen: "\(key.form.rawValue), \(key.name): \(text), \(code), \(SSHSession.libraryVersion)")
    }

    /// A server that hangs up because of our attempts has refused us; any other end may be an accident.
    private func lost(while method: Method) -> SFTPError {
        guard let farewell = connection.wire.farewell, farewell.lowercased().firstPlace(of: "authentication") != nil
        else { return connection.failure(.authentication, "logging in as \(user) with \(method.rawValue)") }
        return SFTPError(.loginCutOff, place, seen: "tried: \(method.rawValue); it says \"\(farewell)\"")
    }
}

extension SSHCredentials {
    /// The private key, if there is one and it can be used.
    /// - Throws: `SFTPError` of step `.authentication`, reason `.invalidConfiguration`.
    func usableKey() throws(SFTPError) -> PrivateKeyText? {
        guard let privateKey else { return nil }
        let key = try PrivateKeyText(privateKey)
        if key.isEncrypted, passphrase == nil {
            throw SFTPError(.passphraseMissing)
        }
        return key
    }
}
