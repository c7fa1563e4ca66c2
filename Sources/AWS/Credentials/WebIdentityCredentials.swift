import HTTP

/// The role of a service account of Kubernetes: AWS STS gives its credentials for the token that the cluster keeps in a file
/// (Amazon EKS User Guide, "IAM roles for service accounts"; AWS Security Token Service API Reference, version 2011-06-15,
/// "AssumeRoleWithWebIdentity", a request without a signature).
struct WebIdentityCredentials: CredentialsService {
    let name = "AWS STS"
    private let environment: [String: String]
    private let files: FileReader

    static let fileVariable = "AWS_WEB_IDENTITY_TOKEN_FILE"
    private static let endpointVariable = "AWS_ENDPOINT_URL_STS"
    /// What a session may be called (AWS Security Token Service API Reference, "RoleSessionName").
    private static let sessionNameLengths = 2...64
    /// The name of sessions where nobody gives another: CloudTrail shows it.
    private static let sessionName = "sftp-lambda"

    init(environment: [String: String], files: FileReader = .system) {
        self.environment = environment
        self.files = files
    }

    /// The token is read anew each time: Kubernetes replaces its file while the container runs.
    func question() throws(CredentialsError) -> CredentialsQuestion {
        guard let path = environment.nonEmpty(Self.fileVariable) else {
            throw CredentialsError("\(Self.fileVariable) is not set", isConfigured: false)
        }
        guard let role = environment.nonEmpty("AWS_ROLE_ARN") else {
            throw CredentialsError(
                "\(Self.fileVariable) is set but AWS_ROLE_ARN is not",
                advice: "set it to the ARN of the role, as EKS does for a service account with the annotation "
                    + "eks.amazonaws.com/role-arn")
        }
        let session = environment.nonEmpty("AWS_ROLE_SESSION_NAME") ?? Self.sessionName
        guard Self.isSessionName(session) else {
            throw CredentialsError(
                "AWS_ROLE_SESSION_NAME is no name of a session",
                advice: "it has 2 to 64 letters, digits and characters of _=,.@+-")
        }
        let url = try endpoint()
        let token = try IdentityToken.read(path, of: Self.fileVariable, files)
        let form = [
            ("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleArn", role),
            ("RoleSessionName", session), ("WebIdentityToken", token),
        ].map { "\($0)=\(Text.percentEncoded($1.utf8))" }.joined(separator: "&")
        return CredentialsQuestion(
            request: HTTPRequest(
                .post, url, headers: ["Content-Type": "application/x-www-form-urlencoded"],
                body: .bytes(Array(form.utf8)), limits: HTTPLimits(connectTimeoutSeconds: 5, stallSeconds: 10)),
            token: token)
    }

    /// That of the region. The one of the whole world answers from far away.
    private func endpoint() throws(CredentialsError) -> String {
        if let custom = AWSConfiguration.endpoint(Self.endpointVariable, environment) { return custom + "/" }
        let region: String?
        do throws(FileReadError) { region = try AWSRegion.resolve(environment: environment, files: files) } catch {
            throw CredentialsError(error.description)
        }
        guard let region, AWSRegion.isValid(region) else {
            throw CredentialsError("the region of AWS STS is not known", advice: "set AWS_REGION")
        }
        return "https://sts.\(region).\(AWSRegion.hostSuffix(region))/"
    }

    private static func isSessionName(_ name: String) -> Bool {
        sessionNameLengths.contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || "_=,.@+-".utf8.contains(byte)
            }
    }

    func credentials(in body: [UInt8]) throws(CredentialsError) -> AWSCredentials {
        let answer: XMLElement
        do throws(XMLError) { answer = try XMLElement.parse(body) } catch {
            throw CredentialsError("\(name) answered with something else than credentials: \(error)")
        }
        guard let result = answer.all("AssumeRoleWithWebIdentityResult").first,
            let found = result.all("Credentials").first,
            let keyID = found.value("AccessKeyId"), let secret = found.value("SecretAccessKey"),
            let sessionToken = found.value("SessionToken"),
            let end = found.value("Expiration").flatMap(Timestamps.parseISO8601),
            ![keyID, secret, sessionToken].contains("")
        else { throw CredentialsError("\(name) answered with credentials that lack a part") }
        return AWSCredentials(
            accessKeyID: keyID, secretAccessKey: secret, sessionToken: sessionToken, expirationEpochSeconds: end)
    }

    // MARK: Refusals

    /// Codes of failures that pass, besides those of all services: the cluster's keys have to be fetched, and a role or a
    /// provider that was just made is not known everywhere at once.
    private static let passingCodes: Set<String> = ["IDPCommunicationError", "InvalidIdentityToken"]

    func refusal(status: Int, body: [UInt8]) -> CredentialsRefusal {
        var code = ""
        var text = "\(status)"
        // A page of a proxy, or nothing: the status says enough then.
        if let error = try? XMLElement.parse(body).all("Error").first {
            code = ServiceFailure.bounded(error.value("Code") ?? "")
            let message = ServiceFailure.bounded(error.value("Message") ?? "")
            text += " \(code) (\(message))"
        }
        let role = printable(environment.nonEmpty("AWS_ROLE_ARN") ?? "")
        let codes = Self.passingCodes.union(ServiceFailure.throttlingCodes).union(ServiceFailure.transientCodes)
        return CredentialsRefusal(
            error: CredentialsError(
                "\(WebIdentityProblem.symptom(role: role)): \(text)", advice: WebIdentityProblem(code: code)?.remedy),
            isTransient: status >= 500 || status == 429 || codes.contains(code))
    }
}
