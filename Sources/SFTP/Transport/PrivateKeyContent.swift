/// The inside of a private key, as far as it is in the clear.
struct PrivateKeyContent {
    let form: PrivateKeyText.Form
    let isEncrypted: Bool
    let keyType: String?
    let publicKey: PublicKey?

    private static let openSSHMagic = Array("openssh-key-v1\0".utf8)

    /// Looks into a key.
    /// - Throws: `SFTPError` when it is damaged, cut off or of a kind that nobody uses for SSH.
    init(_ armor: PrivateKeyArmor) throws(SFTPError) {
        switch armor.label {
        case "OPENSSH PRIVATE KEY":
            let (isEncrypted, key) = try Self.openSSH(armor.bytes)
            self.init(.openSSH, isEncrypted: isEncrypted, keyType: key.type, publicKey: key)
        case "ENCRYPTED PRIVATE KEY":
            try Self.checkWhole(armor.bytes)
            self.init(.pkcs8, isEncrypted: true, keyType: nil, publicKey: nil)
        case "PRIVATE KEY":
            let (type, key) = try Self.pkcs8(armor.bytes)
            self.init(.pkcs8, isEncrypted: false, keyType: type, publicKey: key)
        case "RSA PRIVATE KEY":
            let isEncrypted = !armor.headers.isEmpty
            let key = isEncrypted ? nil : try Self.rsa(armor.bytes)
            self.init(.pkcs1, isEncrypted: isEncrypted, keyType: "ssh-rsa", publicKey: key)
        default:
            let isEncrypted = !armor.headers.isEmpty
            let key = isEncrypted ? nil : try Self.ellipticCurve(armor.bytes, curve: nil)
            self.init(.sec1, isEncrypted: isEncrypted, keyType: key?.type ?? "ecdsa", publicKey: key)
        }
    }

    private init(_ form: PrivateKeyText.Form, isEncrypted: Bool, keyType: String?, publicKey: PublicKey?) {
        self.form = form
        self.isEncrypted = isEncrypted
        self.keyType = keyType
        self.publicKey = publicKey
    }

    private static let damaged = SFTPError(.keyDamaged)

    // MARK: OpenSSH's form (PROTOCOL.key in the OpenSSH source)

    private static func openSSH(_ bytes: [UInt8]) throws(SFTPError) -> (isEncrypted: Bool, PublicKey) {
        var reader = KeyBlobReader(bytes)
        guard reader.skip(openSSHMagic), let cipher = reader.string(), reader.string() != nil,
            reader.string() != nil, let count = reader.uint32(), count == 1, let blob = reader.string(),
            let secret = reader.string(), secret.count >= 8, let key = PublicKey(blob: blob)
        else { throw damaged }
        if key.type.hasPrefix("sk-") {
            throw SFTPError(.keyOfOtherKind, seen: "\(key.type): a security key has to be touched for it")
        }
        return (cipher != Array("none".utf8), key)
    }

    // MARK: ASN.1 forms

    private static func checkWhole(_ bytes: [UInt8]) throws(SFTPError) {
        var reader = DERReader(bytes)
        guard reader.element(0x30) != nil, reader.isAtEnd else { throw damaged }
    }

    /// RSAPrivateKey (RFC 8017, appendix A.1.2): version, modulus, public exponent and the secret rest.
    private static func rsa(_ bytes: [UInt8]) throws(SFTPError) -> PublicKey {
        var outer = DERReader(bytes)
        guard var fields = outer.element(0x30).map({ DERReader($0) }), outer.isAtEnd, fields.element(0x02) != nil,
            let modulus = fields.element(0x02), let exponent = fields.element(0x02),
            let key = PublicKey(blob: strings([Array("ssh-rsa".utf8), exponent, modulus]))
        else { throw damaged }
        return key
    }

    /// ECPrivateKey (RFC 5915, section 3): version, secret, [0] curve, [1] public key. ssh-keygen writes both.
    private static func ellipticCurve(_ bytes: [UInt8], curve given: [UInt8]?) throws(SFTPError) -> PublicKey? {
        var outer = DERReader(bytes)
        guard var fields = outer.element(0x30).map({ DERReader($0) }), outer.isAtEnd, fields.element(0x02) != nil,
            fields.element(0x04) != nil
        else { throw damaged }
        var own = fields.element(0xA0).map { DERReader($0) }
        guard let curve = own?.element(0x06) ?? given else { throw damaged }
        guard let name = curveNames[curve] else {
            throw SFTPError(.keyOfOtherKind, seen: "an elliptic curve that SSH does not use")
        }
        guard var wrapped = fields.element(0xA1).map({ DERReader($0) }), let point = wrapped.element(0x03)?.dropFirst()
        else { return nil }
        return PublicKey(blob: strings([Array("ecdsa-sha2-\(name)".utf8), Array(name.utf8), Array(point)]))
    }

    /// PrivateKeyInfo (RFC 5208, section 5): version, algorithm with its parameters, and the key in its own form.
    private static func pkcs8(_ bytes: [UInt8]) throws(SFTPError) -> (type: String?, PublicKey?) {
        var outer = DERReader(bytes)
        guard var fields = outer.element(0x30).map({ DERReader($0) }), outer.isAtEnd, fields.element(0x02) != nil,
            var algorithm = fields.element(0x30).map({ DERReader($0) }), let identifier = algorithm.element(0x06),
            let key = fields.element(0x04)
        else { throw damaged }
        switch identifier {
        case rsaEncryption: return ("ssh-rsa", try rsa(key))
        case ellipticCurvePublicKey:
            let publicKey = try ellipticCurve(key, curve: algorithm.element(0x06))
            return (publicKey?.type ?? "ecdsa", publicKey)
        case ed25519: return ("ssh-ed25519", nil)
        default: throw SFTPError(.keyOfOtherKind, seen: "one that SSH does not use")
        }
    }

    private static func strings(_ parts: [[UInt8]]) -> [UInt8] {
        parts.flatMap { part in (0..<4).map { UInt8(truncatingIfNeeded: part.count >> (24 - 8 * $0)) } + part }
    }

    private static let rsaEncryption: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]
    private static let ellipticCurvePublicKey: [UInt8] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]
    private static let ed25519: [UInt8] = [0x2B, 0x65, 0x70]
    /// RFC 5656, section 10.1
    private static let curveNames: [[UInt8]: String] = [
        [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]: "nistp256",
        [0x2B, 0x81, 0x04, 0x00, 0x22]: "nistp384",
        [0x2B, 0x81, 0x04, 0x00, 0x23]: "nistp521",
    ]
}

/// Reads the elements of DER (X.690, section 8.1) with the short tags that keys are made of.
struct DERReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    var isAtEnd: Bool { rest.isEmpty }

    /// The content of the next element if it has that tag and is whole; else nil, and nothing is read.
    mutating func element(_ tag: UInt8) -> [UInt8]? {
        var bytes = rest
        guard bytes.popFirst() == tag, let first = bytes.popFirst() else { return nil }
        var count = Int(first)
        if first & 0x80 != 0 {
            let digits = Int(first & 0x7F)
            guard (1...4).contains(digits), bytes.count >= digits else { return nil }
            count = bytes.prefix(digits).reduce(0) { $0 << 8 | Int($1) }
            bytes = bytes.dropFirst(digits)
        }
        guard count <= bytes.count else { return nil }
        rest = bytes.dropFirst(count)
        return Array(bytes.prefix(count))
    }
}
