import FoundationEssentials

/// What a secret in Secrets Manager says of a login: a JSON object with the names that AWS Transfer Family uses for its
/// SFTP connectors (AWS Transfer Family User Guide, "Store authentication credentials for SFTP connectors in Secrets
/// Manager"), and `Passphrase` and `HostKey` besides. Other names are ignored, empty texts count as missing.
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
            fields = try JSONDecoder().decode(Fields.self, from: Data(text.utf8))
        } catch let error as DecodingError {
            throw Self.fault(Self.explained(error))
        } catch {
            // The decoder's own words are lost on purpose: they may quote the document.
            throw Self.fault("is not JSON")
        }
        login = PartialLogin(
            user: fields.username?.trimmingWhiteSpace().nonEmpty,
            privateKey: fields.privateKey?.trimmingWhiteSpace().nonEmpty.map { Secret($0) },
            passphrase: fields.passphrase?.nonEmpty.map { Secret($0) },
            password: fields.password?.nonEmpty.map { Secret($0) },
            hostKey: fields.hostKey.flatMap { $0.lines.joined(separator: "\n").trimmingWhiteSpace().nonEmpty })
    }

    private struct Fields: Decodable {
        var username: String?
        var privateKey: String?
        var passphrase: String?
        var password: String?
        var hostKey: TextOrTexts?

        enum CodingKeys: String, CodingKey {
            case username = "Username"
            case privateKey = "PrivateKey"
            case passphrase = "Passphrase"
            case password = "Password"
            case hostKey = "HostKey"
        }
    }

    private struct TextOrTexts: Decodable {
        var lines: [String]

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            do {
                lines = [try container.decode(String.self)]
            } catch DecodingError.typeMismatch {
                lines = try container.decode([String].self)
            }
        }
    }

    /// Only the path, which is one of our own names, is taken from the error.
    private static func explained(_ error: DecodingError) -> String {
        switch error {
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            guard let name = context.codingPath.first?.stringValue else { return "is JSON, but not an object" }
            return "has a \(name) that is not text"
        default:
            return "is not JSON"
        }
    }

    private static func fault(_ problem: String) -> SettingsError {
        let declaration = Settings.secretID.declaration
        return SettingsError([
            SettingFault(
                name: declaration.name, problem: "names a secret that \(problem)",
                expected: "a JSON object with any of Username, PrivateKey, Passphrase, Password and HostKey",
                example: #"{"Username": "acme", "PrivateKey": "-----BEGIN …", "HostKey": "SHA256:…"}"#)
        ])
    }
}

extension String {
    /// The text, or nil when there is none.
    fileprivate var nonEmpty: String? { isEmpty ? nil : self }
}
