import HTTP
import Synchronization
import Testing

@testable import AWS

@Suite struct CredentialsTests {
    typealias Script = ScriptedExecutor

    private static func files(_ content: [String: String]) -> FileReader {
        FileReader { path throws(FileReadError) in content[path].map { Array($0.utf8) } }
    }

    private static func failure(_ body: () async throws(CredentialsError) -> Void) async -> CredentialsError? {
        do throws(CredentialsError) { try await body() } catch { return error }
        return nil
    }

    private static func answer(_ id: String, expiration: String? = nil) -> ScriptedExecutor.Answer {
        let end = expiration.map { #","Expiration":"\#($0)""# } ?? ""
        return Script.status(
            200, #"{"AccessKeyId":"\#(id)","SecretAccessKey":"the-secret","Token":"the-token"\#(end)}"#)
    }

    private static func container(
        _ environment: [String: String], _ http: Script, _ clock: AWSClock, files: FileReader = .system
    ) -> TemporaryCredentials {
        TemporaryCredentials(of: ContainerCredentials(environment: environment, files: files), http: http, clock: clock)
    }

    // MARK: environment and chain

    @Test func theEnvironmentComesFirst() async throws {
        let environment = [
            "AWS_ACCESS_KEY_ID": "ID", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T", "HOME": "/h",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x",
        ]
        let http = Script([])
        let chain = CredentialsChain(
            environment: environment, http: http,
            files: Self.files(["/h/.aws/credentials": "[default]\naws_access_key_id=F\naws_secret_access_key=G"]))
        let found = try await chain.credentials()
        #expect(found == AWSCredentials(accessKeyID: "ID", secretAccessKey: "S", sessionToken: "T"))
        #expect(http.seen.isEmpty)
    }

    @Test func theSharedFilesComeBeforeTheContainer() async throws {
        let chain = CredentialsChain(
            environment: ["HOME": "/h", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"], http: Script([]),
            files: Self.files(["/h/.aws/credentials": "[default]\naws_access_key_id=F\naws_secret_access_key=G"]))
        #expect(try await chain.credentials().accessKeyID == "F")
    }

    @Test func theContainerComesLastAndIsKept() async throws {
        let http = Script([Self.answer("C")])
        let chain = CredentialsChain(
            environment: ["HOME": "/h", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x"], http: http,
            clock: ManualClock().clock(), files: Self.files([:]))
        #expect(try await chain.credentials().accessKeyID == "C")
        #expect(try await chain.credentials().accessKeyID == "C")
        #expect(http.seen.map(\.request.url) == ["http://169.254.170.2/v2/x"])
    }

    @Test func whatWasTriedIsTold() async throws {
        let chain = CredentialsChain(environment: ["HOME": "/h"], http: Script([]), files: Self.files([:]))
        let error = await Self.failure { () throws(CredentialsError) in _ = try await chain.credentials() }
        for part in [
            "AWS_ACCESS_KEY_ID", "/h/.aws/credentials", "/h/.aws/config", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ] {
            #expect(error?.message.contains(part) == true)
        }
    }

    @Test func aBrokenSourceIsNotPassedOver() async throws {
        let environments = [
            ["AWS_ACCESS_KEY_ID": "ID"], ["AWS_SECRET_ACCESS_KEY": "S"], ["HOME": "/h", "AWS_PROFILE": "missing"],
            ["HOME": "/h", "AWS_PROFILE": "sso"],
        ]
        for environment in environments {
            var environment = environment
            environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/x"
            let http = Script([Self.answer("C")])
            let chain = CredentialsChain(
                environment: environment, http: http,
                files: Self.files(["/h/.aws/config": "[profile sso]\nsso_session = x"]))
            let error = await Self.failure { () throws(CredentialsError) in _ = try await chain.credentials() }
            #expect(error?.isConfigured == true && http.seen.isEmpty)
        }
    }

    // MARK: shared files and region

    static let config = """
        # comment
        [default]
        region = eu-west-1
        [profile work]
        region=us-west-2   ; a comment
        aws_access_key_id = FROM_CONFIG
        s3 =
          max_concurrent_requests = 20
          region = nested
        aws_secret_access_key = config#secret
        [work]
        region = not-a-profile-here
        """
    static let credentials = """
        [default]
        aws_access_key_id = D\r
        aws_secret_access_key = d/+=\r

        [ work ]
        aws_access_key_id = W
        aws_secret_access_key = w
        aws_session_token = t
        """

    @Test func profilesAreReadAsTheToolsReadThem() async throws {
        let files = Self.files(["/h/.aws/config": Self.config, "/elsewhere": Self.credentials])
        var environment = ["HOME": "/h", "AWS_SHARED_CREDENTIALS_FILE": "/elsewhere"]
        let standard = try await ProfileCredentials(environment: environment, files: files).credentials()
        #expect(standard == AWSCredentials(accessKeyID: "D", secretAccessKey: "d/+="))
        #expect(try AWSRegion.resolve(environment: environment, files: files) == "eu-west-1")
        environment["AWS_PROFILE"] = "work"
        let work = try await ProfileCredentials(environment: environment, files: files).credentials()
        #expect(work == AWSCredentials(accessKeyID: "W", secretAccessKey: "w", sessionToken: "t"))
        #expect(try AWSRegion.resolve(environment: environment, files: files) == "us-west-2")
        environment["AWS_SHARED_CREDENTIALS_FILE"] = "~/nothing"
        let fromConfig = try await ProfileCredentials(environment: environment, files: files).credentials()
        #expect(fromConfig == AWSCredentials(accessKeyID: "FROM_CONFIG", secretAccessKey: "config#secret"))
    }

    @Test func theRegionsOrderIsThatOfTheTools() throws {
        let files = Self.files(["/c": Self.config])
        let all = ["AWS_REGION": "a", "AWS_DEFAULT_REGION": "b", "AWS_CONFIG_FILE": "/c"]
        #expect(try AWSRegion.resolve(environment: all, files: files) == "a")
        #expect(try AWSRegion.resolve(environment: all.filter { $0.key != "AWS_REGION" }, files: files) == "b")
        #expect(try AWSRegion.resolve(environment: ["AWS_CONFIG_FILE": "/c"], files: files) == "eu-west-1")
        #expect(try AWSRegion.resolve(environment: [:], files: files) == nil)
    }

    @Test func filesAreReadFromTheSystem() throws {
        #expect(try FileReader.system.read("/no/such/file") == nil)
        #expect(try FileReader.system.read("/proc/self/comm")?.isEmpty == false)
        #expect(throws: FileReadError.self) { try FileReader.system.read("/") }
        #expect(throws: FileReadError.self) { try FileReader.system.read("/dev/zero") }
    }

    // MARK: container

    @Test(arguments: [
        ("https://example.com/x", true), ("http://169.254.170.2/x", true), ("http://169.254.170.23/v1", true),
        ("http://[fd00:ec2::23]/v1", true), ("http://localhost:8080/x", true), ("http://127.9.8.7/", true),
        ("http://[::1]:80/", true), ("http://example.com/x", false), ("http://169.254.169.254/x", false),
        ("http://127.0.0.1.example.com/", false), ("http://127.0.0.1@example.com/", false), ("ftp://localhost/", false),
        ("localhost", false), ("", false), ("https://", false),
    ]) func onlyKnownHostsGetTheToken(_ url: String, _ isAllowed: Bool) {
        #expect(ContainerCredentials.isAllowed(url) == isAllowed)
    }

    @Test func theTokenIsReadFromItsFileOnEveryFetch() async throws {
        let count = Mutex(0)
        let files = FileReader { _ throws(FileReadError) in
            Array("token\(count.withLock { $0 += 1; return $0 })\n".utf8)
        }
        let environment = [
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/v1",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/t", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "other",
        ]
        let http = Script([Self.answer("A"), Self.answer("B")])
        let provider = Self.container(environment, http, ManualClock().clock(), files: files)
        let first = try await provider.credentials()
        #expect(try await provider.credentials(insteadOf: first, deadlineUptimeSeconds: nil).accessKeyID == "B")
        #expect(http.seen.map { $0.request.headers["Authorization"] } == ["token1", "token2"])
    }

    @Test func aTokenWithALineBreakIsRefused() async throws {
        let environment = [
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/v1",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a\r\nX: y",
        ]
        let http = Script([Self.answer("A")])
        let provider = Self.container(environment, http, ManualClock().clock())
        let error = await Self.failure { () throws(CredentialsError) in _ = try await provider.credentials() }
        #expect(error != nil && http.seen.isEmpty)
    }

    static let relative = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"]

    @Test func credentialsAreFetchedAgainBeforeTheyEnd() async throws {
        // The clock begins at 2023-11-14T22:13:20Z.
        let http = Script([
            Self.answer("A", expiration: "2023-11-14T23:13:20Z"),
            Self.answer("B", expiration: "2023-11-15T01:00:00.5+00:00"),
        ])
        let time = ManualClock()
        let provider = Self.container(Self.relative, http, time.clock())
        #expect(try await provider.credentials().accessKeyID == "A")
        time.advance(3299)
        #expect(try await provider.credentials().accessKeyID == "A")
        time.advance(2)
        #expect(try await provider.credentials().accessKeyID == "B")
        #expect(http.seen.count == 2)
    }

    @Test func whatStillHoldsIsUsedOnWhenAFetchFails() async throws {
        let failing = Array(repeating: Script.failure(.connectionLost), count: TemporaryCredentials.maximumAttempts)
        let http = Script(
            [Self.answer("A", expiration: "2023-11-14T23:13:20Z")] + failing + failing + [Self.answer("B")])
        let time = ManualClock()
        let provider = Self.container(Self.relative, http, time.clock(random: 0))
        _ = try await provider.credentials()
        time.advance(3400)
        #expect(try await provider.credentials().accessKeyID == "A")
        #expect(http.seen.count == 4)
        // Not every call may wait for the same failure.
        #expect(try await provider.credentials().accessKeyID == "A")
        #expect(http.seen.count == 4)
        time.advance(300)
        let error = await Self.failure { () throws(CredentialsError) in _ = try await provider.credentials() }
        #expect(error?.message.contains("connectionLost") == true)
        #expect(try await provider.credentials().accessKeyID == "B")
    }

    @Test func callersAtTheSameTimeShareOneFetch() async throws {
        let gate = Mutex<[CheckedContinuation<Void, Never>]>([])
        let slow: ScriptedExecutor.Answer = { request throws(HTTPError) in
            await withCheckedContinuation { continuation in gate.withLock { $0.append(continuation) } }
            return try await Self.answer("A")(request)
        }
        let http = Script([slow, slow, slow])
        let provider = Self.container(Self.relative, http, ManualClock().clock())
        let found = try await withThrowingTaskGroup(of: AWSCredentials.self) { group in
            for _ in 0..<20 { group.addTask { try await provider.credentials() } }
            while gate.withLock(\.isEmpty) { await Task.yield() }
            for _ in 0..<100 { await Task.yield() }
            gate.withLock { $0.forEach { $0.resume() } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(found.count == 20 && http.seen.count == 1)
    }

    @Test func aFetchEndsWithTheDeadlineOfTheRequestThatNeedsIt() async throws {
        let http = Script(Array(repeating: Script.failure(.stalled), count: 9))
        let time = ManualClock()
        let provider = Self.container(Self.relative, http, time.clock(random: 0))
        for deadline in [1004.0, 1000] {
            let error = await Self.failure { () throws(CredentialsError) in
                _ = try await provider.credentials(deadlineUptimeSeconds: deadline)
            }
            #expect(error?.message.contains(deadline == 1000 ? "deadline has passed" : "stalled") == true)
        }
        #expect(http.seen.map(\.request.limits.totalTimeoutSeconds) == [4, 4, 4])
        // The request's own deadline comes this way.
        let get = await AWSTests.failure { () throws(AWSError) in
            let client = S3Client(configuration(http, credentials: provider, clock: time.clock()))
            _ = try await client.headObject(
                S3ReadRequest(S3Address(bucket: "bucket", key: "key")), deadlineUptimeSeconds: 1002)
        }
        #expect(get?.kind == .noCredentials)
        #expect(http.seen.last?.request.limits.totalTimeoutSeconds ?? 9 <= 2)
    }

    @Test func nobodyWaitsLongForFreshCredentialsWhileTheOldOnesHold() async throws {
        let http = Script(
            [Self.answer("A", expiration: "2023-11-14T23:13:20Z")]
                + Array(repeating: Script.failure(.totalTimeout), count: 9))
        let time = ManualClock()
        let provider = Self.container(Self.relative, http, time.clock(random: 0))
        _ = try await provider.credentials()
        time.advance(3400)
        #expect(try await provider.credentials(deadlineUptimeSeconds: 100_000).accessKeyID == "A")
        #expect(http.seen[1].request.limits.totalTimeoutSeconds == TemporaryCredentials.patienceSeconds)
    }

    @Test func aCallerThatIsCancelledLeavesTheFetchToTheOthers() async throws {
        let gate = Mutex<CheckedContinuation<Void, Never>?>(nil)
        let slow: ScriptedExecutor.Answer = { request throws(HTTPError) in
            await withCheckedContinuation { continuation in gate.withLock { $0 = continuation } }
            return try await Self.answer("A")(request)
        }
        let http = Script([slow])
        let provider = Self.container(Self.relative, http, ManualClock().clock())
        let first = Task { await Self.failure { () throws(CredentialsError) in _ = try await provider.credentials() } }
        try await eventually { gate.withLock { $0 != nil } }
        let second = Task { try await provider.credentials().accessKeyID }
        try await eventually { provider.fetching.waiterCount == 2 }
        first.cancel()
        #expect(await first.value?.isCancelled == true)
        gate.withLock { $0 }?.resume()
        #expect(try await second.value == "A")
    }

    @Test(arguments: [
        ("", 1), ("{}", 1), (#"{"AccessKeyId":"A","SecretAccessKey":"the-secret","Expiration":"tomorrow"}"#, 1),
    ]) func anAnswerThatIsNoCredentialsIsAnErrorWithoutSecrets(_ body: String, _ attempts: Int) async throws {
        let http = Script([Script.status(200, body)])
        let provider = Self.container(Self.relative, http, ManualClock().clock())
        let error = await Self.failure { () throws(CredentialsError) in _ = try await provider.credentials() }
        #expect(error != nil && error?.message.contains("the-secret") == false && http.seen.count == attempts)
    }

    @Test func onlyWhatPassesIsTriedAgain() async throws {
        let passing = Script([Script.status(500), Script.status(429), Self.answer("A")])
        let provider = Self.container(Self.relative, passing, ManualClock().clock())
        #expect(try await provider.credentials().accessKeyID == "A")
        let refused = Script([Script.status(401), Self.answer("A")])
        let other = Self.container(Self.relative, refused, ManualClock().clock())
        let error = await Self.failure { () throws(CredentialsError) in _ = try await other.credentials() }
        #expect(error?.message.contains("401") == true && refused.seen.count == 1)
    }
}
