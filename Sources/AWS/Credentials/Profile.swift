/// The shared credentials and config files of the AWS tools (AWS SDKs and Tools Reference Guide, "Shared config and
/// credentials files").
struct SharedFiles: Sendable {
    let environment: [String: String]
    let files: FileReader

    /// The profile in use.
    var profile: String { environment.nonEmpty("AWS_PROFILE") ?? "default" }

    var credentialsPath: String? { path("AWS_SHARED_CREDENTIALS_FILE", "credentials") }
    var configPath: String? { path("AWS_CONFIG_FILE", "config") }

    /// The properties of the profile; those of the credentials file win. Nil when neither file has the profile.
    func properties() throws(FileReadError) -> [String: String]? {
        var found: [String: String]?
        if let configPath, let content = try files.read(configPath) {
            // In the config file every profile but the default one is headed `[profile name]`.
            let sections = Self.parse(content)
            found = sections["profile \(profile)"] ?? (profile == "default" ? sections["default"] : nil)
        }
        if let credentialsPath, let content = try files.read(credentialsPath) {
            if let own = Self.parse(content)[profile] { found = (found ?? [:]).merging(own) { $1 } }
        }
        return found
    }

    /// The sections of a file and their properties; later ones win. Lines that are indented belong to nested settings
    /// and are passed over; anything else that is not understood is too.
    static func parse(_ content: [UInt8]) -> [String: [String: String]] {
        var sections: [String: [String: String]] = [:]
        var section: String?
        for line in content.split(separator: UInt8(ascii: "\n")) {
            guard let first = line.first, first != UInt8(ascii: "#"), first != UInt8(ascii: ";") else { continue }
            if first == UInt8(ascii: "[") {
                let name = line.dropFirst().prefix { $0 != UInt8(ascii: "]") }
                let words = name.split { $0 == 0x20 || $0 == 0x09 }.map { String(decoding: $0, as: UTF8.self) }
                let joined = words.joined(separator: " ")
                section = joined
                if sections[joined] == nil { sections[joined] = [:] }
            } else if first != 0x20, first != 0x09, let section, let equals = line.firstIndex(of: UInt8(ascii: "=")) {
                let name = Text.lowercasedASCII(Text.trimmed(String(decoding: line[..<equals], as: UTF8.self)))
                sections[section, default: [:]][name] = value(line[equals...].dropFirst())
            }
        }
        return sections
    }

    /// A value ends at a comment that has white space before it.
    private static func value(_ bytes: ArraySlice<UInt8>) -> String {
        var end = bytes.endIndex
        for index in bytes.indices.dropFirst()
        where bytes[index] == UInt8(ascii: "#") || bytes[index] == UInt8(ascii: ";") {
            if bytes[index - 1] == 0x20 || bytes[index - 1] == 0x09 {
                end = index
                break
            }
        }
        return Text.trimmed(String(decoding: bytes[..<end], as: UTF8.self))
    }

    private func path(_ variable: String, _ name: String) -> String? {
        let home = environment.nonEmpty("HOME")
        guard let path = environment.nonEmpty(variable) else { return home.map { "\($0)/.aws/\(name)" } }
        guard path.utf8.starts(with: "~/".utf8), let home else { return path }
        return home + String(path.dropFirst(1))
    }
}

/// Credentials of a profile in the shared files: AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE. The files
/// are read again whenever credentials are asked for.
public struct ProfileCredentials: CredentialsProvider {
    private let shared: SharedFiles

    /// Properties by which other tools get credentials in ways that this one has not.
    private static let unsupported = [
        "role_arn", "credential_process", "sso_session", "sso_start_url", "web_identity_token_file",
        "credential_source",
    ]

    /// Makes a provider.
    public init(environment: [String: String], files: FileReader = .system) {
        shared = SharedFiles(environment: environment, files: files)
    }

    /// The profile's keys.
    public func credentials(deadlineUptimeSeconds: Double?) async throws(CredentialsError) -> AWSCredentials {
        let places = [shared.credentialsPath, shared.configPath].compactMap(\.self).joined(separator: " and ")
        let isNamed = shared.environment.nonEmpty("AWS_PROFILE") != nil
        let properties: [String: String]?
        do throws(FileReadError) { properties = try shared.properties() } catch {
            throw CredentialsError(error.description)
        }
        guard let properties else {
            throw CredentialsError(
                "profile '\(shared.profile)' is not in \(places.isEmpty ? "any file (HOME is not set)" : places)",
                isConfigured: isNamed)
        }
        guard let keyID = properties.nonEmpty("aws_access_key_id"),
            let secret = properties.nonEmpty("aws_secret_access_key")
        else {
            if let other = Self.unsupported.first(where: { properties[$0] != nil }) {
                throw CredentialsError("profile '\(shared.profile)' uses \(other), which is not supported here")
            }
            throw CredentialsError(
                "profile '\(shared.profile)' in \(places) has no aws_access_key_id and aws_secret_access_key",
                isConfigured: isNamed)
        }
        return AWSCredentials(
            accessKeyID: keyID, secretAccessKey: secret, sessionToken: properties.nonEmpty("aws_session_token"))
    }

    /// What the files hold now.
    public func credentials(
        insteadOf expired: AWSCredentials, deadlineUptimeSeconds: Double?
    ) async throws(CredentialsError) -> AWSCredentials {
        try await credentials()
    }
}

/// The region to work in.
public enum AWSRegion {
    /// AWS_REGION, else AWS_DEFAULT_REGION, else the profile's region; nil when none is set.
    public static func resolve(
        environment: [String: String], files: FileReader = .system
    ) throws(FileReadError) -> String? {
        if let region = environment.nonEmpty("AWS_REGION") ?? environment.nonEmpty("AWS_DEFAULT_REGION") {
            return region
        }
        return try SharedFiles(environment: environment, files: files).properties()?.nonEmpty("region")
    }

    /// Whether text can be a region: it becomes part of a host name.
    static func isValid(_ region: String) -> Bool {
        (1...63).contains(region.utf8.count)
            && region.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
            && region.utf8.first != 0x2D && region.utf8.last != 0x2D
    }

    /// The end of the host names of a region's partition (AWS's partition metadata, `dnsSuffix`).
    static func hostSuffix(_ region: String) -> String {
        let partitions = [
            ("cn-", "amazonaws.com.cn"), ("us-isob-", "sc2s.sgov.gov"), ("us-iso-", "c2s.ic.gov"),
            ("us-isof-", "csp.hci.ic.gov"), ("eu-isoe-", "cloud.adc-e.uk"), ("eusc-", "amazonaws.eu"),
        ]
        return partitions.first { region.utf8.starts(with: $0.0.utf8) }?.1 ?? "amazonaws.com"
    }
}
