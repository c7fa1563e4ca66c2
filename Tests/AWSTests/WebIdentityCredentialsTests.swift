import HTTP
import Synchronization
import Testing

@testable import AWS

/// The credentials of a service account of Kubernetes: what AWS STS is asked, and what is made of its answers.
@Suite struct WebIdentityCredentialsTests {
    typealias Script = ScriptedExecutor

    private static let role = "arn:aws:iam::123456789012:role/acme-pull"
    private static let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhY21lIn0.c2lnbmF0dXJl"
    private static let environment = [
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/token", "AWS_ROLE_ARN": role, "AWS_REGION": "eu-central-1",
    ]

    private static func files(_ content: [String: String]) -> FileReader {
        FileReader { path throws(FileReadError) in content[path].map { Array($0.utf8) } }
    }

    private static func provider(
        _ http: Script, _ environment: [String: String] = environment, clock: AWSClock = ManualClock().clock(),
        files: FileReader = files(["/var/token": token + "\n"])
    ) -> TemporaryCredentials {
        TemporaryCredentials(
            of: WebIdentityCredentials(environment: environment, files: files), http: http, clock: clock)
    }

    private static func failure(_ provider: any CredentialsProvider) async -> CredentialsError? {
        do throws(CredentialsError) { _ = try await provider.credentials() } catch { return error }
        return nil
    }

    /// The form of AWS's own example (AWS Security Token Service API Reference, "AssumeRoleWithWebIdentity").
    private static func answer(_ id: String, expiration: String = "2023-11-14T23:13:20Z") -> ScriptedExecutor.Answer {
        Script.status(
            200,
            """
            <AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
              <AssumeRoleWithWebIdentityResult>
                <SubjectFromWebIdentityToken>system:serviceaccount:acme:pull</SubjectFromWebIdentityToken>
                <Audience>sts.amazonaws.com</Audience>
                <AssumedRoleUser>
                  <Arn>arn:aws:sts::123456789012:assumed-role/acme-pull/sftp-lambda</Arn>
                  <AssumedRoleId>AROACLKWSDQRAOEXAMPLE:sftp-lambda</AssumedRoleId>
                </AssumedRoleUser>
                <Credentials>
                  <SessionToken>AQoDYXdzEE0a8ANXXXXXXXXNO1ewxE5TijQyp+IEXAMPLE</SessionToken>
                  <SecretAccessKey>wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY</SecretAccessKey>
                  <Expiration>\(expiration)</Expiration>
                  <AccessKeyId>\(id)</AccessKeyId>
                </Credentials>
                <Provider>arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/X</Provider>
              </AssumeRoleWithWebIdentityResult>
              <ResponseMetadata>
                <RequestId>ad4156e9-bce1-11e2-82e6-6b6efEXAMPLE</RequestId>
              </ResponseMetadata>
            </AssumeRoleWithWebIdentityResponse>
            """)
    }

    private static func refusal(_ status: Int, _ code: String, _ message: String) -> ScriptedExecutor.Answer {
        Script.status(
            status,
            """
            <ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
              <Error>
                <Type>Sender</Type>
                <Code>\(code)</Code>
                <Message>\(message)</Message>
              </Error>
              <RequestId>1fd1964b-1544-11ea-ba37-99c3c1dede42</RequestId>
            </ErrorResponse>
            """)
    }

    @Test func theRoleIsAskedForWithTheToken() async throws {
        let http = Script([Self.answer("ASgeIAIOSFODNN7EXAMPLE")])
        let found = try await Self.provider(http).credentials()
        #expect(
            found
                == AWSCredentials(
                    accessKeyID: "ASgeIAIOSFODNN7EXAMPLE",
                    secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY",
                    sessionToken: "AQoDYXdzEE0a8ANXXXXXXXXNO1ewxE5TijQyp+IEXAMPLE",
                    expirationEpochSeconds: 1_700_003_600))
        let seen = try #require(http.seen.first)
        #expect(seen.request.url == "https://sts.eu-central-1.amazonaws.com/" && seen.request.method == .post)
        #expect(seen.request.headers["Content-Type"] == "application/x-www-form-urlencoded")
        // It is a call without a signature: there is nothing to sign it with.
        #expect(seen.request.headers["Authorization"] == nil)
        #expect(
            String(decoding: seen.body, as: UTF8.self)
                == "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
                + "&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Facme-pull"
                + "&RoleSessionName=sftp-lambda&WebIdentityToken=\(Self.token)")
    }

    @Test(arguments: [
        (["AWS_REGION": "cn-north-1"], "https://sts.cn-north-1.amazonaws.com.cn/"),
        (["AWS_REGION": "", "AWS_DEFAULT_REGION": "us-gov-west-1"], "https://sts.us-gov-west-1.amazonaws.com/"),
        (["AWS_ENDPOINT_URL": "http://127.0.0.1:1/all/"], "http://127.0.0.1:1/all/"),
        (["AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_STS": "https://sts.test"], "https://sts.test/"),
    ]) func theEndpointIsThatOfTheRegionOrTheVariable(_ settings: [String: String], _ url: String) async throws {
        let http = Script([Self.answer("A")])
        _ = try await Self.provider(http, Self.environment.merging(settings) { $1 }).credentials()
        #expect(http.seen.map(\.request.url) == [url])
    }

    @Test func itComesBehindTheEnvironmentAndBeforeTheFiles() async throws {
        let files = Self.files([
            "/var/token": Self.token, "/h/.aws/credentials": "[default]\naws_access_key_id=F\naws_secret_access_key=G",
        ])
        let environment = Self.environment.merging(["HOME": "/h"]) { $1 }
        let http = Script([Self.answer("W")])
        let chain = CredentialsChain(environment: environment, http: http, files: files)
        #expect(try await chain.credentials().accessKeyID == "W")
        // What Lambda has set needs no call and no file.
        let inLambda = environment.merging(["AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "S"]) { $1 }
        let none = FileReader { path throws(FileReadError) in throw FileReadError(path: path, reason: "it was read") }
        #expect(
            try await CredentialsChain(environment: inLambda, http: Script([]), files: none).credentials().accessKeyID
                == "E")
    }

    @Test func theFileIsReadAgainBeforeTheCredentialsEnd() async throws {
        let count = Mutex(0)
        let files = FileReader { _ throws(FileReadError) in
            Array("token\(count.withLock { $0 += 1; return $0 })\n".utf8)
        }
        let http = Script([Self.answer("A"), Self.answer("B", expiration: "2023-11-15T00:13:20Z")])
        let time = ManualClock()
        let provider = Self.provider(http, clock: time.clock(), files: files)
        #expect(try await provider.credentials().accessKeyID == "A")
        time.advance(3299)
        #expect(try await provider.credentials().accessKeyID == "A")
        time.advance(2)
        #expect(try await provider.credentials().accessKeyID == "B")
        let bodies = http.seen.map { String(decoding: $0.body, as: UTF8.self) }
        #expect(bodies.count == 2 && bodies[0].hasSuffix("=token1") && bodies[1].hasSuffix("=token2"))
    }

    @Test(arguments: [
        (
            ["AWS_ROLE_ARN": ""], "AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is not: set it to the ARN"
        ),
        (["AWS_ROLE_SESSION_NAME": "a b"], "AWS_ROLE_SESSION_NAME is no name of a session"),
        (["AWS_ROLE_SESSION_NAME": "a"], "AWS_ROLE_SESSION_NAME is no name of a session"),
        (["AWS_REGION": ""], "the region of AWS STS is not known: set AWS_REGION"),
        (["AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"], "AWS_WEB_IDENTITY_TOKEN_FILE: no file at /nowhere"),
        (["AWS_WEB_IDENTITY_TOKEN_FILE": "/empty"], "AWS_WEB_IDENTITY_TOKEN_FILE: the file /empty is empty"),
        (["AWS_WEB_IDENTITY_TOKEN_FILE": "/broken"], "AWS_WEB_IDENTITY_TOKEN_FILE: the token holds a line break"),
        (["AWS_WEB_IDENTITY_TOKEN_FILE": "/secret"], "AWS_WEB_IDENTITY_TOKEN_FILE: cannot read /secret: Permission"),
    ]) func whatIsSetWronglyIsToldAndNobodyIsAsked(_ settings: [String: String], _ words: String) async throws {
        let files = FileReader { path throws(FileReadError) in
            switch path {
            case "/empty": return Array(" \n".utf8)
            case "/broken": return Array("secret\nsecond".utf8)
            case "/secret": throw FileReadError(path: path, reason: "Permission denied")
            case "/var/token": return Array(Self.token.utf8)
            default: return nil
            }
        }
        let http = Script([Self.answer("A")])
        let environment = Self.environment.merging(settings) { $1 }
        let chain = CredentialsChain(environment: environment, http: http, files: files)
        let error = try #require(await Self.failure(chain))
        #expect(error.isConfigured && error.description.hasPrefix(words), "\(error)")
        #expect(http.seen.isEmpty)
    }

    @Test(arguments: [
        (
            403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity",
            "trust policy of the role: it has to allow sts:AssumeRoleWithWebIdentity"
        ),
        (400, "ExpiredTokenException", "Token too old: 441398", "the file that Kubernetes renews"),
        (400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://x", "IAM needs an"),
        (403, "RegionDisabledException", "STS is not activated in this region", "switch AWS STS on in this"),
    ]) func aRefusalSaysWhatToChange(
        _ status: Int, _ code: String, _ message: String, _ advice: String
    ) async throws {
        let http = Script(Array(repeating: Self.refusal(status, code, message), count: 3) + [Self.answer("A")])
        let error = try #require(await Self.failure(Self.provider(http)))
        #expect(
            error.message
                == "AWS STS gives no credentials of the role \(Self.role): \(status) \(code) (\(message))")
        #expect(error.advice?.contains(advice) == true, "\(error)")
        // What a moment can mend is tried again.
        #expect(http.seen.count == (code == "InvalidIdentityToken" ? TemporaryCredentials.maximumAttempts : 1))
    }

    @Test func whatPassesIsTriedAgain() async throws {
        let http = Script([
            Self.refusal(400, "IDPCommunicationError", "the provider did not answer"), Script.status(503),
            Self.answer("A"),
        ])
        #expect(try await Self.provider(http).credentials().accessKeyID == "A")
    }

    @Test(arguments: [
        (200, ""), (200, "<html>"), (200, "<a/>"), (403, "not XML \(token)"), (403, ""),
        (
            200,
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
                + "<SecretAccessKey>the-secret</SecretAccessKey></Credentials></AssumeRoleWithWebIdentityResult>"
                + "</AssumeRoleWithWebIdentityResponse>"
        ),
        // Whoever stands at AWS_ENDPOINT_URL_STS may repeat what it was asked.
        (400, "<ErrorResponse><Error><Code>\(token)</Code><Message>\(token)</Message></Error></ErrorResponse>"),
        // What is shown of it would be cut off in the midst of the token.
        (
            400,
            "<ErrorResponse><Error><Code>A</Code><Message>\(String(repeating: "x", count: 990))\(token)</Message></Error>"
                + "</ErrorResponse>"
        ),
    ]) func anotherAnswerIsAnErrorWithoutSecrets(_ status: Int, _ body: String) async throws {
        let http = Script([Script.status(status, body)])
        let error = try #require(await Self.failure(Self.provider(http)))
        #expect(error.message.hasPrefix("AWS STS "), "\(error)")
        let text = "\(error)" + String(reflecting: error)
        #expect(!text.contains("the-secret") && !text.contains(Self.token.prefix(16)), "\(error)")
    }

    /// One message has one advice: who puts the words together adds it.
    @Test func aCallThatGetsNoCredentialsHasTheirAdviceOnce() async throws {
        let http = Script([Self.refusal(403, "AccessDenied", "Not authorized")])
        let error = await AWSTests.failure { () throws(AWSError) in
            let client = S3Client(configuration(http, credentials: Self.provider(http)))
            _ = try await client.headObject(S3ReadRequest(S3Address(bucket: "bucket", key: "key")))
        }
        #expect(error?.kind == .noCredentials && error?.advice == WebIdentityProblem.accessDenied.remedy)
        let told = "AWS STS gives no credentials of the role \(Self.role): 403 AccessDenied (Not authorized)"
        #expect(error?.message == told)
    }

    @Test func freshCredentialsThatAreRefusedHaveTheirAdviceOnce() async throws {
        let http = Script([
            Self.answer("A"), Script.status(400, "<Error><Code>ExpiredToken</Code><Message>old</Message></Error>"),
            Self.refusal(403, "AccessDenied", "Not authorized"),
        ])
        let error = await AWSTests.failure { () throws(AWSError) in
            let client = S3Client(configuration(http, credentials: Self.provider(http)))
            _ = try await client.getObject(S3ReadRequest(S3Address(bucket: "bucket", key: "key")))
        }
        #expect(error?.kind == .expiredCredentials && error?.advice == WebIdentityProblem.accessDenied.remedy)
        #expect(error?.message.hasSuffix("403 AccessDenied (Not authorized)") == true, "\(String(describing: error))")
    }

    /// Tokens are about as long as what is kept of a message: the cut goes through the middle of them.
    @Test(arguments: [
        ("Couldn't parse this: ", 0..<1200), ("", 0..<1200), ("Couldn't parse …", 40..<80), ("", 1168..<1200),
    ]) func noPieceOfALongTokenIsRepeated(_ prefix: String, _ piece: Range<Int>) async throws {
        // No piece of it is like another.
        let token = (0..<300).map { "\(1000 + $0)" }.joined()
        let repeated = String(decoding: Array(token.utf8)[piece], as: UTF8.self)
        let http = Script([Self.refusal(400, "ValidationError", prefix + repeated)])
        let provider = Self.provider(http, files: Self.files(["/var/token": token]))
        let error = try #require(await Self.failure(provider))
        let text = "\(error)" + String(reflecting: error)
        let shown = (0...1168).filter { text.contains(String(token.dropFirst($0).prefix(32))) }
        #expect(shown.isEmpty && error.message == "AWS STS answered 400, in words that repeat the token", "\(error)")
    }
}
