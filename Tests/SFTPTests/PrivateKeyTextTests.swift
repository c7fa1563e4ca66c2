import Foundation
import TestKit
import Testing
import TextForms

@testable import SFTP

/// A private key as it comes out of a setting. The keys are ssh-keygen's own, made for the test.
@Suite(.serialized) struct PrivateKeyTextTests {
    /// What pasting does to a key.
    enum Damage: String, CaseIterable {
        case none, literalLineFeeds, carriageReturns, quotes, oneLine, indented, noFinalLine, doubled, squeezed

        func applied(to text: String) -> String {
            switch self {
            case .none: text
            case .literalLineFeeds: text.replacingOccurrences(of: "\n", with: "\\n")
            case .carriageReturns: text.replacingOccurrences(of: "\n", with: "\r\n")
            case .quotes: "'\(text)'"
            case .oneLine: text.replacingOccurrences(of: "\n", with: " ")
            case .indented: text.components(separatedBy: "\n").map { "    \($0)\t" }.joined(separator: "\n")
            case .noFinalLine: text.trimmingCharacters(in: .newlines)
            case .doubled: text.replacingOccurrences(of: "\n", with: "\\r\\n\n")
            case .squeezed: text.replacingOccurrences(of: "\n", with: "")
            }
        }
    }

    @Test(arguments: Damage.allCases) func keysSurviveWhatPastingDoes(damage: Damage) throws {
        for kind in ["ed25519", "ecdsa"] {
            for form in kind == "ed25519" ? ["OpenSSH"] : ["OpenSSH", "PEM", "PKCS8"] {
                for passphrase in ["", "secret"] {
                    // Squeezed together, the headers of an encrypted PEM key cannot be told from each other.
                    if damage == .squeezed, form == "PEM", !passphrase.isEmpty { continue }
                    let made = try KeyFile.make(kind, form, passphrase: passphrase)
                    let key = try PrivateKeyText(damage.applied(to: made.text))
                    #expect(key.isEncrypted == !passphrase.isEmpty)
                    #expect(try Self.pem(key) == PrivateKeyText(made.text).pemText)
                    #expect(Self.bodyLines(try Self.pem(key)).allSatisfy { $0.count <= 64 })
                    if let fingerprint = key.fingerprint { #expect(fingerprint == made.fingerprint) }
                    if form == "OpenSSH" || passphrase.isEmpty { #expect(key.fingerprint == made.fingerprint) }
                }
            }
        }
    }

    @Test func formsAndKindsAreTold() throws {
        let openSSH = try PrivateKeyText(KeyFile.make("ed25519", "OpenSSH").text)
        #expect(openSSH.form == .openSSH && openSSH.keyType == "ssh-ed25519")
        let sec1 = try PrivateKeyText(KeyFile.make("ecdsa", "PEM").text)
        #expect(sec1.form == .sec1 && sec1.keyType == "ecdsa-sha2-nistp256")
        let pkcs8 = try PrivateKeyText(KeyFile.make("ecdsa", "PKCS8").text)
        #expect(pkcs8.form == .pkcs8 && pkcs8.keyType == "ecdsa-sha2-nistp256")
        let hidden = try PrivateKeyText(KeyFile.make("ecdsa", "PKCS8", passphrase: "secret").text)
        #expect(hidden.isEncrypted && hidden.keyType == nil && hidden.fingerprint == nil)
        let made = try KeyFile.make("rsa", "PEM")
        let rsa = try PrivateKeyText(made.text)
        #expect(rsa.form == .pkcs1 && rsa.keyType == "ssh-rsa" && rsa.fingerprint == made.fingerprint)
        #expect(rsa.name == "ssh-rsa \(made.fingerprint)")
    }

    @Test func wrongThingsAreNamed() throws {
        let made = try KeyFile.make("ed25519", "OpenSSH")
        let lines = made.text.components(separatedBy: "\n")
        let sec1 = try KeyFile.make("ecdsa", "PEM").text.components(separatedBy: "\n")
        let withoutThird = (lines[..<2] + lines[3...]).joined(separator: "\n")
        let withoutSecond = (sec1[..<1] + sec1[2...]).joined(separator: "\n")
        let cases: [(String, String)] = [
            (made.publicLine, "is a public key"),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "is a public key"),
            ("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none", "PuTTY"), ("", "is empty"),
            ("hunter2", "holds no private key"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "is a certificate"),
            (lines.dropLast(3).joined(separator: "\n"), "is cut off"),
            (lines.dropFirst(1).joined(separator: "\n"), "holds no private key"),
            (withoutThird, "is damaged or cut off"),
            (withoutSecond, "is damaged or cut off"),
            (made.text.replacingOccurrences(of: "AAAA", with: "A*AA"), "is damaged"),
            (made.text.replacingOccurrences(of: "END OPENSSH", with: "END RSA"), "ends as"),
            ("ssh-ed25519-cert-v01@openssh.com AAAA comment", "is a certificate"),
            ("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----", "is a public key"),
            ("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nAAAA\n", "form of ssh.com"),
            ("-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----", "a DSA key"),
            ("/home/acme/.ssh/id_ed25519", "name of a file"), ("~/.ssh/acme", "name of a file"),
            ("file:///keys/acme", "name of a file"), ("acme.pem", "name of a file"),
            (Base64.encode(Array(made.text.utf8)), "key file in base 64"),
            (
                "-----BEGIN PGP PRIVATE KEY BLOCK-----\nAAAA\n-----END PGP PRIVATE KEY BLOCK-----",
                "no private key for SSH"
            ),
        ]
        for (text, part) in cases {
            let failure = #expect(throws: SFTPError.self) { try PrivateKeyText(text) }
            #expect(failure?.reason == .invalidConfiguration && failure?.step == .authentication)
            #expect(failure?.message.contains(part) == true, "\(part): \(failure?.message ?? "")")
            #expect(failure?.message.hasPrefix("SFTP_PRIVATE_KEY ") == true)
            #expect(failure?.remedy.isEmpty == false && failure?.message.hasSuffix(failure?.remedy ?? "-") == true)
            // Nothing of the key may be in the message.
            for line in lines.dropFirst().dropLast(2) { #expect(failure?.message.contains(line.prefix(12)) == false) }
        }
    }

    @Test func shortenedKeysNeverCrash() throws {
        for (kind, form) in [("ed25519", "OpenSSH"), ("ecdsa", "PEM"), ("ecdsa", "PKCS8")] {
            let text = try KeyFile.make(kind, form).text
            let armor = try PrivateKeyArmor(text)
            for count in 0..<armor.bytes.count {
                let cut = Base64.encode(Array(armor.bytes.prefix(count)))
                #expect(throws: SFTPError.self) {
                    try PrivateKeyText("-----BEGIN \(armor.label)-----\n\(cut)\n-----END \(armor.label)-----")
                }
            }
        }
    }

    private static func pem(_ key: PrivateKeyText) throws -> String { try key.pemText }

    private static func bodyLines(_ pem: String) -> [Substring] {
        pem.split(separator: "\n").filter { !$0.hasPrefix("-----") && !$0.contains(": ") }
    }
}

extension PrivateKeyText {
    fileprivate var pemText: String {
        get throws { try pem.withCString { (text) throws(SFTPError) in String(cString: text) } }
    }
}

/// A key that ssh-keygen made.
private struct KeyFile {
    let text: String
    let publicLine: String
    let fingerprint: String

    static func make(_ kind: String, _ form: String, passphrase: String = "") throws -> KeyFile {
        let folder = try TemporaryFolder()
        let path = folder.url.appendingPathComponent("key").path
        // -a 1: one bcrypt round, so that a test does not wait for them. 1,024 bits are soon found, too.
        let size = kind == "rsa" ? ["-b", "1024"] : []
        let shape = form == "OpenSSH" ? [] : ["-m", form]
        try run(["-q", "-t", kind, "-a", "1", "-N", passphrase, "-C", "test", "-f", path] + size + shape)
        let line = try String(contentsOfFile: path + ".pub", encoding: .utf8)
        return KeyFile(
            text: try String(contentsOfFile: path, encoding: .utf8), publicLine: line,
            fingerprint: try #require(PublicKey(line: line)).fingerprint)
    }

    private static func run(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/ssh-keygen")
        process.arguments = arguments
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw LocalSSHDFailureInTest() }
    }

    private struct LocalSSHDFailureInTest: Error {}
}
