import Foundation
import TestKit
import Testing
import TextForms

@testable import SFTP

/// The value of SFTP_HOST_KEY, in all the shapes that people paste.
@Suite struct HostKeyPolicyTests {
    private static let ed25519 = HostKeyPolicyTests.key("ssh-ed25519", [Array(repeating: 7, count: 32)])
    private static let other = HostKeyPolicyTests.key("ssh-ed25519", [Array(repeating: 8, count: 32)])
    private static let rsa = HostKeyPolicyTests.key("ssh-rsa", [[1, 0, 1], Array(repeating: 9, count: 257)])

    @Test(arguments: [
        ed25519.line, "\(ed25519.line) root@sftp", "sftp.example.com \(ed25519.line)",
        "sftp.example.com,192.0.2.7,[2001:db8::1]:2222 \(ed25519.line) comment",
        "[sftp.example.com]:2222 \(ed25519.line)",
        "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= \(ed25519.line)",
        "  \"\(ed25519.line)\"  ", "# sftp.example.com:22 SSH-2.0-OpenSSH_9.2\r\nsftp.example.com \(ed25519.line)\r\n",
        Base64.encode(ed25519.blob), "\(Base64.encode(ed25519.blob)) comment", ed25519.fingerprint,
        ed25519.fingerprint + "=", "256 \(ed25519.fingerprint) root@sftp (ED25519)",
    ])
    func oneKeyIsReadFromEveryShape(text: String) throws {
        let policy = try HostKeyPolicy(parsing: text)
        #expect(Self.verdict(policy, Self.ed25519) == .accepted)
        #expect(Self.verdict(policy, Self.other) == .unknown)
        #expect(policy.expectedFingerprints.count == 1)
        #expect(policy.expectedFingerprints.first?.contains(Self.ed25519.fingerprint) == true)
        #expect(!policy.isUnset)
    }

    @Test(arguments: ["\n", "\\n", ",", " , ", "\r\n", "\\r\\n", "\n\n"])
    func severalEntriesAreDivided(by separator: String) throws {
        let policy = try HostKeyPolicy(
            parsing: [Self.ed25519.line, Self.other.fingerprint, "host \(Self.rsa.line)"].joined(separator: separator))
        for key in [Self.ed25519, Self.other, Self.rsa] { #expect(Self.verdict(policy, key) == .accepted) }
    }

    @Test(arguments: ["", "  \n ", "# nothing but a comment", "\"\""])
    func emptyTextIsUnset(text: String) throws { #expect(try HostKeyPolicy(parsing: text) == .unset) }

    @Test func revokedKeyIsRefusedWhateverElseIsSaid() throws {
        let policy = try HostKeyPolicy(
            parsing: "\(Self.other.fingerprint)\n@revoked * \(Self.other.line)\n\(Self.rsa.line)")
        #expect(Self.verdict(policy, Self.other) == .revoked)
        #expect(Self.verdict(policy, Self.rsa) == .accepted)
        #expect(throws: SFTPError.self) { try HostKeyPolicy(parsing: "@revoked * \(Self.other.line)") }
    }

    @Test(arguments: [
        ("nonsense", "line 1, entry 1"), ("sftp.example.com", "line 1, entry 1"),
        ("\(ed25519.line)\nnonsense here", "line 2, entry 1"), ("\(ed25519.line),nonsense here", "line 1, entry 2"),
        ("a,b", "line 1, entry 2"), ("ssh-ed25519", "nothing follows ssh-ed25519"),
        ("ssh-ed25519 \(Base64.encode(ed25519.blob).dropLast(8))", "damaged or cut off"),
        ("ssh-rsa \(Base64.encode(ed25519.blob))", "says ssh-rsa before a key of type ssh-ed25519"),
        ("ssh-ed25519 !!!!", "damaged or cut off"), ("SHA256:abc", "43 characters"),
        ("MD5:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff", "MD5"),
        ("00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff", "MD5"),
        ("@cert-authority *.example.com \(rsa.line)", "not its authority"),
        ("@c\u{1B}[2J\u{0} *.example.com \(rsa.line)", "@c\\x1b[2J\\x00 is not supported"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "certificates are not supported"), ("ssh-dss AAAA", "DSA"),
        ("-----BEGIN PUBLIC KEY-----", "PEM"),
    ])
    func faultNamesItsPlaceAndWhatWasExpected(text: String, part: String) {
        let failure = #expect(throws: SFTPError.self) { try HostKeyPolicy(parsing: text) }
        #expect(failure?.step == .hostKey && failure?.reason == .invalidConfiguration)
        #expect(failure?.message.contains(part) == true, "\(failure?.message ?? "")")
        #expect(failure?.message.contains("expected a line of known_hosts") == true)
    }

    @Test func knownKeysAreAskedForFirst() throws {
        // A server that proves its RSA key with SHA-1 alone, and has another, must be asked for that first.
        let legacy = try HostKeyPolicy(parsing: Self.rsa.line).algorithmPreference(legacy: ["ssh-rsa"])
        #expect(legacy.prefix(3) == ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"])
        #expect(HostKeyPolicy.unset.algorithmPreference(legacy: ["ssh-rsa"]).last == "ssh-rsa")
        let rsaFirst = try HostKeyPolicy(parsing: Self.rsa.line).algorithmPreference()
        #expect(rsaFirst.prefix(2) == ["rsa-sha2-512", "rsa-sha2-256"])
        #expect(Set(rsaFirst) == Set(HostKeyPolicy.unset.algorithmPreference()))
        #expect(rsaFirst.count == HostKeyPolicy.unset.algorithmPreference().count)
        let fingerprint = try HostKeyPolicy(parsing: Self.rsa.fingerprint)
        #expect(fingerprint.algorithmPreference() == HostKeyPolicy.unset.algorithmPreference())
    }

    /// RFC 4648, section 10, and the lengths that cannot be.
    @Test func base64IsReadWithAndWithoutPadding() {
        #expect(Base64.decode("Zm9vYg==") == Array("foob".utf8))
        #expect(Base64.decode("Zm9vYg") == Array("foob".utf8))
        #expect(Base64.decode("Zm9vYmFy") == Array("foobar".utf8))
        for wrong in ["", "=", "Zm9vYg=", "Zm9vYg===", "Zm9vY", "Zm9v Yg", "Zm9v-_", "Zg==Zg=="] {
            #expect(Base64.decode(wrong) == nil, "\(wrong)")
        }
    }

    @Test func base64AgreesWithFoundation() {
        var random = SeededGenerator(seed: 3)
        for count in 0..<200 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let text = Data(bytes).base64EncodedString()
            #expect(Base64.encode(bytes) == text)
            guard count > 0 else { continue }
            #expect(Base64.decode(text) == bytes)
            #expect(Base64.decode(text.prefix { $0 != "=" }) == bytes)
            var damaged = Array(text.utf8)
            damaged[Int.random(in: 0..<(count * 4 / 3), using: &random)] = UInt8.random(in: 0...0x7F, using: &random)
            let characters = String(decoding: damaged, as: UTF8.self)
            if !characters.contains("=") || text.hasSuffix("=") == characters.hasSuffix("=") {
                #expect(Base64.decode(characters) == Data(base64Encoded: characters).map { Array($0) }, "\(characters)")
            }
        }
    }

    /// FIPS 180-2, appendix B.1
    @Test func digestIsSHA256() {
        let digest = Digest.sha256(Array("abc".utf8))
        #expect(digest.prefix(4) == [0xBA, 0x78, 0x16, 0xBF])
        #expect(Digest.fingerprint(sha256: digest) == "SHA256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0")
    }

    private static func verdict(_ policy: HostKeyPolicy, _ key: PublicKey) -> HostKeyPolicy.Verdict {
        policy.verdict(on: key, sha256: Digest.sha256(key.blob))
    }

    private static func key(_ type: String, _ parts: [[UInt8]]) -> PublicKey {
        let blob = ([Array(type.utf8)] + parts).flatMap { RawSFTP.string($0) }
        guard let key = PublicKey(blob: blob) else { preconditionFailure("a test's key is no key") }
        return key
    }
}
