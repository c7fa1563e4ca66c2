import HTTP
import JSON

/// The endpoint that ECS and EKS give a container for its credentials (AWS SDKs and Tools Reference Guide, "Container
/// credential provider").
struct ContainerCredentials: CredentialsService {
    let name = "the container credentials endpoint"
    private let environment: [String: String]
    private let files: FileReader

    init(environment: [String: String], files: FileReader = .system) {
        self.environment = environment
        self.files = files
    }

    func question() throws(CredentialsError) -> CredentialsQuestion {
        let url: String
        if let relative = environment.nonEmpty("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            guard relative.utf8.first == UInt8(ascii: "/") else {
                throw CredentialsError("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with a slash")
            }
            url = "http://169.254.170.2\(relative)"
        } else if let full = environment.nonEmpty("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
            guard Self.isAllowed(full) else {
                throw CredentialsError(
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that gets no token: it must be https, this machine,"
                        + " 169.254.170.2, 169.254.170.23 or fd00:ec2::23")
            }
            url = full
        } else {
            throw CredentialsError("AWS_CONTAINER_CREDENTIALS_FULL_URI is not set", isConfigured: false)
        }
        var headers: HTTPHeaders = ["Accept": "application/json"]
        let token = try token()
        headers["Authorization"] = token
        let limits = HTTPLimits(connectTimeoutSeconds: 2, stallSeconds: 5)
        return CredentialsQuestion(request: HTTPRequest(.get, url, headers: headers, limits: limits), token: token)
    }

    /// The token, read anew each time: EKS replaces its file while the container runs.
    private func token() throws(CredentialsError) -> String? {
        if let path = environment.nonEmpty("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            return try IdentityToken.read(path, of: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", files)
        }
        guard let token = environment.nonEmpty("AWS_CONTAINER_AUTHORIZATION_TOKEN") else { return nil }
        return try IdentityToken.checked(token, of: "AWS_CONTAINER_AUTHORIZATION_TOKEN")
    }

    /// The rule of the SDKs: over plain HTTP the token goes only to this machine and to the addresses of ECS and EKS.
    static func isAllowed(_ url: String) -> Bool {
        let parts = URLParts(url)
        let host = Text.lowercasedASCII(parts.host)
        if parts.authority.utf8.contains(UInt8(ascii: "@")) || host.isEmpty { return false }
        switch Text.lowercasedASCII(parts.scheme) {
        case "https": return true
        case "http":
            if ["localhost", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"].contains(host) { return true }
            let octets = host.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
                .map { UInt8(String(decoding: $0, as: UTF8.self)) }
            return octets.count == 4 && octets.allSatisfy { $0 != nil } && octets[0] == 127
        default: return false
        }
    }

    private struct Answer: JSONReadable {
        var accessKeyID: String
        var secretAccessKey: String
        var token: String?
        var expiration: String?

        init(json: JSONValue) throws(JSONFieldFault) {
            accessKeyID = try json.required("AccessKeyId")
            secretAccessKey = try json.required("SecretAccessKey")
            token = try json.optional("Token")
            expiration = try json.optional("Expiration")
        }
    }

    /// Reads what the endpoint answers. No error quotes anything of it.
    func credentials(in body: [UInt8]) throws(CredentialsError) -> AWSCredentials {
        let answer: Answer
        do { answer = try Answer(parsing: body) } catch {
            throw CredentialsError("\(name) answered with something else than keys: \(error)")
        }
        var end: Int64?
        if let expiration = answer.expiration {
            end = Timestamps.parseISO8601(expiration)
            if end == nil { throw CredentialsError("the container credentials have an Expiration that is no time") }
        }
        return AWSCredentials(
            accessKeyID: answer.accessKeyID, secretAccessKey: answer.secretAccessKey, sessionToken: answer.token,
            expirationEpochSeconds: end)
    }

    func refusal(status: Int, body: [UInt8]) -> CredentialsRefusal {
        CredentialsRefusal(
            error: CredentialsError("\(name) answered \(status)"), isTransient: status >= 500 || status == 429)
    }
}
