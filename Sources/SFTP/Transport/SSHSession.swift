import CLibSSH2
import Glibc
import Synchronization
import TextForms

/// One libssh2 session, with its memory and its wire. Lives on one thread, which `SSHConnection` sees to.
///
/// Whoever lets go of it frees libssh2's session and its channel, whatever state they are in.
final class SSHSession {
    /// The handle. Good as long as this object.
    let handle: OpaquePointer
    /// The bytes between libssh2 and the socket.
    let wire: Wire
    private let memory: SessionMemory
    private let context: Context
    private var signsAtOnce = false

    /// Rounds of questions that keyboard-interactive may take, and questions in one of them.
    static let promptRoundLimit = 8
    fileprivate static let promptLimit = 16

    /// Freeing a session repeats the goodbye of each channel; it gives up after so many calls.
    private static let freeAttempts = 64

    /// What libssh2's callbacks find through the session's abstract pointer.
    private final class Context {
        let memory: SessionMemory
        let wire: Wire
        var promptPassword: SecretBytes?
        var promptRounds = 0
        var isNewPasswordAsked = false
        var signatureAlgorithm: String?
        init(memory: SessionMemory, wire: Wire) {
            self.memory = memory
            self.wire = wire
        }
    }

    /// libssh2 as a whole is begun once and never ended, because other sessions may live.
    private static let globalResult = libssh2_init(0)

    /// Makes a session on a connected socket, which stays the caller's.
    /// - Throws: `SFTPError` when libssh2 has no memory or cannot begin.
    init(wire: Wire) throws(SFTPError) {
        guard Self.globalResult == 0 else {
            throw SFTPError(.handshake, .unsupported, "libssh2 cannot begin (\(Self.globalResult))")
        }
        let memory = SessionMemory()
        let context = Context(memory: memory, wire: wire)
        let made = libssh2_session_init_ex(
            allocateForSession, freeForSession, reallocateForSession, Unmanaged.passUnretained(context).toOpaque())
        guard let made else { throw SFTPError(.handshake, .unsupported, "libssh2 has no memory for a session") }
        self.wire = wire
        self.memory = memory
        self.context = context
        handle = made
        libssh2_session_set_blocking(made, 0)
        ssh2_set_send_callback(made, sendForSession)
        ssh2_set_receive_callback(made, receiveForSession)
        ssh2_set_disconnect_callback(made, disconnectedSession)
    }

    deinit {
        // From here on libssh2 sees a connection that has ended, so that no goodbye waits for the server.
        wire.isDetached = true
        for _ in 0..<Self.freeAttempts where libssh2_session_free(handle) != LIBSSH2_ERROR_EAGAIN { break }
    }

    /// What answers the questions of keyboard-interactive; nil answers nothing.
    var promptPassword: SecretBytes? {
        get { context.promptPassword }
        set {
            context.promptPassword = newValue
            context.promptRounds = 0
            context.isNewPasswordAsked = false
        }
    }

    /// The rounds of questions since `promptPassword` was set.
    var promptRounds: Int { context.promptRounds }

    /// Whether the server has asked for a new password since `promptPassword` was set.
    var isNewPasswordAsked: Bool { context.isNewPasswordAsked }

    /// What the session holds in memory.
    var heldBytes: Int { memory.heldBytes }

    /// libssh2's words for its last error.
    var lastError: (code: Int32, text: String) {
        var message: UnsafeMutablePointer<CChar>?
        var length: Int32 = 0
        let code = libssh2_session_last_error(handle, &message, &length, 0)
        return (code, message.map { ServerText.printable(String(cString: $0).utf8) } ?? "")
    }

    /// Names what libssh2 is to offer, the best first; what it does not have is left out by it.
    /// - Returns: false when nothing is left.
    func prefer(_ method: Int32, _ names: [String]) -> Bool {
        libssh2_session_method_pref(handle, method, names.joined(separator: ",")) == 0
    }

    /// Names the RSA signatures that may be given, where libssh2 lets them be named (1.11). A server that names the
    /// signatures it takes is then given no other one; one that names none is the business of `SSHAuthentication`.
    func preferSignatures(allowingSHA1: Bool) {
        let names = ["rsa-sha2-512", "rsa-sha2-256"] + (allowingSHA1 ? [PublicKey.rsaType] : [])
        // A libssh2 that has no such preference refuses it, and knows SHA-1 alone.
        _ = prefer(ssh2_method_sign_algo, names)
    }

    /// Saves the round trips of a login that only ask what the next request answers too, where libssh2 can.
    /// - Parameter awaitingService: whether to wait, still, for the server's word that users may log in.
    func logInEagerly(awaitingService: Bool) {
        // A libssh2 without these flags refuses them: then it takes a little longer.
        signsAtOnce = libssh2_session_flag(handle, SSH2_FLAG_KEY_UNANNOUNCED, 1) == 0
        _ = libssh2_session_flag(handle, SSH2_FLAG_SERVICE_UNAWAITED, awaitingService ? 0 : 1)
    }

    /// Whether `signatureAlgorithm` has anything to say: libssh2 has to have the changes of scripts/libssh2.
    var tellsSignatureAlgorithm: Bool { signsAtOnce }

    /// The algorithm with which libssh2 would sign with an RSA key; nil when it cannot be known, or when it would refuse
    /// to. Nothing is sent.
    ///
    /// libssh2 does not tell what it has heard of the server; but it asks for the signature of a request that names the
    /// algorithm, and a refused signature ends the attempt before a byte has left.
    func signatureAlgorithm(user: String) -> String? {
        // Without that flag, libssh2 would first ask the server about the key, and this one is none.
        guard signsAtOnce else { return nil }
        context.signatureAlgorithm = nil
        let type = Array(PublicKey.rsaType.utf8)
        let key: [UInt8] = [0, 0, 0, UInt8(type.count)] + type
        var unused: UnsafeMutableRawPointer?
        _ = libssh2_userauth_publickey(handle, user, key, key.count, noteAlgorithmOfSignature, &unused)
        return context.signatureAlgorithm
    }

    /// Whether AES-GCM is given a packet at a time.
    var givesWholePacketsToGCM: Bool { libssh2_session_flag(handle, SSH2_FLAG_WHOLE_PACKET_GCM, 1) == 0 }

    /// Asks the server with a global request (RFC 4254, section 4) that no server knows, and that each has to answer for
    /// just that reason, if it is to. What libssh2 asked less than two seconds ago it does not ask again.
    /// - Returns: false when the connection is lost.
    func askWhetherThere(wantsAnswer: Bool) -> Bool {
        // libssh2 has a clock of its own, in seconds, which is never in the way of ours: 2 s is its shortest.
        libssh2_keepalive_config(handle, wantsAnswer ? 1 : 0, 2)
        return libssh2_keepalive_send(handle, nil) == 0
    }

    /// The algorithm that was agreed on.
    func agreed(_ method: Int32) -> String {
        libssh2_session_methods(handle, method).map { ServerText.printable(String(cString: $0).utf8) } ?? ""
    }

    /// How the server names itself; nil before it has.
    var serverIdentification: String? {
        libssh2_session_banner_get(handle).map { ServerText.printable(String(cString: $0).utf8.prefix(255)) }
    }

    /// The server's host key with its SHA-256; nil before the handshake.
    var hostKey: (key: PublicKey, sha256: [UInt8])? {
        var lengthBytes = 0
        var type: Int32 = 0
        guard let bytes = libssh2_session_hostkey(handle, &lengthBytes, &type),
            let key = PublicKey(blob: [UInt8](UnsafeRawBufferPointer(start: bytes, count: lengthBytes))),
            let digest = libssh2_hostkey_hash(handle, LIBSSH2_HOSTKEY_HASH_SHA256)
        else { return nil }
        return (key, [UInt8](UnsafeRawBufferPointer(start: digest, count: 32)))
    }

    /// The version of the libssh2 that runs, such as `1.11.1`.
    static var libraryVersion: String { libssh2_version(0).map { String(cString: $0) } ?? "unknown" }

    /// Whether libssh2 can sign with RSA and SHA-2; before 1.11 it knows only SHA-1, which today's servers refuse.
    static var signsWithSHA2: Bool { libssh2_version(0x010b00) != nil }

    // MARK: What the callbacks use

    fileprivate typealias Abstract = UnsafeMutablePointer<UnsafeMutableRawPointer?>?

    fileprivate static func memory(_ abstract: Abstract) -> SessionMemory? { context(abstract)?.memory }

    fileprivate static func wire(_ abstract: Abstract) -> Wire? { context(abstract)?.wire }

    private static func context(_ abstract: Abstract) -> Context? {
        // The context belongs to the session object, which outlives every call of libssh2 on its handle.
        abstract?.pointee.map { Unmanaged<Context>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Notes the algorithm of the request that is to be signed (RFC 4252, section 7): after the session's identifier come
    /// the message's number, the user, the service, the method, a boolean and then the algorithm.
    fileprivate static func noteAlgorithm(ofRequest request: UnsafeRawBufferPointer, _ session: OpaquePointer?) {
        guard let session, let context = context(libssh2_session_abstract(session)) else { return }
        var reader = KeyBlobReader(request)
        guard reader.string() != nil, reader.skip([50]), reader.string() != nil, reader.string() != nil,
            reader.string() != nil, reader.skip([1]), let name = reader.string()
        else { return }
        context.signatureAlgorithm = String(decoding: name, as: UTF8.self)
    }

    /// How much of a question is looked at.
    private static let promptBytes = 256

    /// Whether a question asks for a new password, as those of PAM do when the old one has expired (`New password: `,
    /// `Retype new password: `).
    static func asksForNewPassword(_ text: String) -> Bool {
        let text = text.lowercased()
        return text.firstPlace(of: "password") != nil
            && ["new ", "retype", "re-enter", "again"].contains { text.firstPlace(of: $0) != nil }
    }

    private static func asksForNewPassword(_ prompt: LIBSSH2_USERAUTH_KBDINT_PROMPT) -> Bool {
        let bytes = UnsafeRawBufferPointer(start: prompt.text, count: prompt.text == nil ? 0 : Int(prompt.length))
        return asksForNewPassword(String(decoding: bytes.prefix(promptBytes), as: UTF8.self))
    }

    /// Answers one round of questions: those whose answer is not shown get the password, the others nothing. A question for
    /// a new password gets no answer either: nothing of ours changes one, least of all to what it was.
    fileprivate static func answer(
        _ prompts: UnsafeBufferPointer<LIBSSH2_USERAUTH_KBDINT_PROMPT>,
        _ responses: UnsafeMutableBufferPointer<LIBSSH2_USERAUTH_KBDINT_RESPONSE>, _ abstract: Abstract
    ) {
        guard let context = context(abstract) else { return }
        if prompts.contains(where: asksForNewPassword) { context.isNewPasswordAsked = true }
        if context.isNewPasswordAsked { return }
        context.promptRounds += 1
        guard context.promptRounds <= promptRoundLimit, prompts.count <= promptLimit,
            let password = context.promptPassword
        else { return }
        for (index, prompt) in prompts.enumerated() where prompt.echo == 0 {
            // libssh2 gives this memory back itself.
            guard let copy = context.memory.allocate(password.count + 1) else { return }
            password.copy(to: copy)
            responses[index].text = copy.assumingMemoryBound(to: CChar.self)
            responses[index].length = UInt32(password.count)
        }
    }
}

/// The callback of libssh2_userauth_keyboard_interactive_ex.
func answerPromptsOfSession(
    _ name: UnsafePointer<CChar>?, _ nameBytes: Int32, _ instruction: UnsafePointer<CChar>?,
    _ instructionBytes: Int32, _ promptCount: Int32, _ prompts: UnsafePointer<LIBSSH2_USERAUTH_KBDINT_PROMPT>?,
    _ responses: UnsafeMutablePointer<LIBSSH2_USERAUTH_KBDINT_RESPONSE>?,
    _ abstract: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) {
    let count = prompts == nil || responses == nil ? 0 : Int(promptCount)
    SSHSession.answer(
        UnsafeBufferPointer(start: prompts, count: count), UnsafeMutableBufferPointer(start: responses, count: count),
        abstract)
}

/// The callback of libssh2_userauth_publickey: looks at what is to be signed, and refuses.
private func noteAlgorithmOfSignature(
    _ session: OpaquePointer?, _ signature: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?,
    _ signatureBytes: UnsafeMutablePointer<Int>?, _ request: UnsafePointer<UInt8>?, _ requestBytes: Int,
    _ abstract: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> Int32 {
    SSHSession.noteAlgorithm(ofRequest: UnsafeRawBufferPointer(start: request, count: requestBytes), session)
    return -1
}

private func allocateForSession(
    _ sizeBytes: Int, _ abstract: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> UnsafeMutableRawPointer? {
    SSHSession.memory(abstract)?.allocate(sizeBytes)
}

private func freeForSession(
    _ block: UnsafeMutableRawPointer?, _ abstract: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) {
    SSHSession.memory(abstract)?.free(block)
}

private func reallocateForSession(
    _ block: UnsafeMutableRawPointer?, _ sizeBytes: Int, _ abstract: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> UnsafeMutableRawPointer? {
    SSHSession.memory(abstract)?.reallocate(block, sizeBytes)
}

private func sendForSession(
    _ socket: libssh2_socket_t, _ bytes: UnsafeRawPointer?, _ count: Int, _ flags: Int32,
    _ abstract: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> Int {
    SSHSession.wire(abstract)?.send(UnsafeRawBufferPointer(start: bytes, count: count)) ?? -Int(EIO)
}

private func receiveForSession(
    _ socket: libssh2_socket_t, _ target: UnsafeMutableRawPointer?, _ count: Int, _ flags: Int32,
    _ abstract: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> Int {
    SSHSession.wire(abstract)?.receive(into: UnsafeMutableRawBufferPointer(start: target, count: count)) ?? -Int(EIO)
}

private func disconnectedSession(
    _ session: OpaquePointer?, _ reason: Int32, _ message: UnsafePointer<CChar>?, _ messageBytes: Int32,
    _ language: UnsafePointer<CChar>?, _ languageBytes: Int32,
    _ abstract: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) {
    let bytes = UnsafeRawBufferPointer(start: message, count: message == nil ? 0 : Int(messageBytes))
    SSHSession.wire(abstract)?.disconnected(reason: reason, bytes)
}
