import JSON
import SFTP

/// What a secret in Secrets Manager says of a login: a JSON object with the names that AWS Transfer Family uses for its
/// SFTP connectors (AWS Transfer Family User Guide, "Store authentication credentials for SFTP connectors in Secrets
/// Manager"), and `Passphrase`, `HostKey` and `Proxy` besides. Other names are ignored, empty texts count as missing.
struct SecretDocument: Sendable {
    let login: PartialLogin

    /// The largest secret, in bytes (AWS Secrets Manager User Guide, "AWS Secrets Manager quotas").
    static let maximumBytes = 65_536

    /// Reads a document.
    /// - Throws: `SettingsError` that says what is wrong, and nothing of what the secret holds.
    init(_ text: String) throws(SettingsError) {
        guard text.utf8.count <= Self.maximumBytes else {
            throw Self.fault("is larger than \(Self.maximumBytes) bytes")
        }
        let fields: Fields
        do {
            fields = try Fields(parsing: Self.withoutByteOrderMark(text))
        } catch let error as JSONFault {
            throw Self.fault("is not JSON: \(error.reason), at byte \(error.offsetBytes)")
        } catch {
            throw Self.fault(Self.explained(error as? JSONFieldFault))
        }
        let proxy: ProxyServer?
        do throws(SettingProblem) {
            proxy = try fields.proxy?.trimmingWhiteSpace().nonEmpty.map { (text) throws(SettingProblem) in
                try ProxyURL.parse(text)
            }
        } catch {
            throw Self.fault("has a Proxy that \(error.text)")
        }
        login = PartialLogin(
            user: fields.username?.trimmingWhiteSpace().nonEmpty,
            privateKey: fields.privateKey?.trimmingWhiteSpace().nonEmpty.map { Secret($0) },
            passphrase: fields.passphrase?.nonEmpty.map { Secret($0) },
            password: fields.password?.nonEmpty.map { Secret($0) },
            hostKey: fields.hostKey.flatMap { $0.lines.joined(separator: "\n").trimmingWhiteSpace().nonEmpty },
            proxy: proxy)
    }

    /// Some editors put U+FEFF before a text, and a file becomes a secret as it is. RFC 8259, section 8.1, lets a reader
    /// ignore it.
    private static func withoutByteOrderMark(_ text: String) -> [UInt8] {
        Array(text.unicodeScalars.first == "\u{FEFF}" ? text.utf8.dropFirst(3) : text.utf8[...])
    }

    private struct Fields: JSONReadable {
        var username: String?
        var privateKey: String?
        var passphrase: String?
        var password: String?
        var hostKey: TextOrTexts?
        var proxy: String?

        init(json: JSONValue) throws(JSONFieldFault) {
            username = try json.optional("Username")
            privateKey = try json.optional("PrivateKey")
            passphrase = try json.optional("Passphrase")
            password = try json.optional("Password")
            hostKey = try json.optional("HostKey")
            proxy = try json.optional("Proxy")
        }
    }

    private struct TextOrTexts: JSONReadable {
        var lines: [String]

        init(json: JSONValue) throws(JSONFieldFault) {
            lines = if let text = json.text { [text] } else { try [String](json: json) }
        }
    }

    /// Only the path's first name, which is one of our own names, is taken from the fault.
    private static func explained(_ fault: JSONFieldFault?) -> String {
        guard let name = fault?.path.first else { return "is JSON, but not an object" }
        return "has a \(name) that is not text"
    }

    private static func fault(_ problem: String) -> SettingsError {
        let declaration = Settings.secretID.declaration
        return SettingsError([
            SettingFault(
                name: declaration.name, problem: "names a secret that \(problem)",
                expected: "a JSON object with any of Username, PrivateKey, Passphrase, Password, HostKey and Proxy",
                example: #"{"Username": "acme", "PrivateKey": "-----BEGIN …", "HostKey": "SHA256:…"}"#)
        ])
    }
}

extension String {
    /// The text, or nil when there is none.
    fileprivate var nonEmpty: String? { isEmpty ? nil : self }
}
