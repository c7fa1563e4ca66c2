import AWS
import HTTP
import TestKit
import Testing

@testable import SFTPLambdaCore

/// Reading the secret ends before the invocation does, whatever Secrets Manager does or does not answer.
@Suite struct LoginDeadlineTests {
    private static func source(_ url: String, _ client: HTTPClient) throws -> LoginSource {
        let aws = AWSConfiguration(
            http: client,
            credentials: StaticCredentials(AWSCredentials(accessKeyID: "id", secretAccessKey: "the-secret")),
            region: "eu-central-1", environment: ["AWS_ENDPOINT_URL": url])
        return LoginSource(
            try Example.pull(["SFTP_SECRET_ID": "partner"]).connection,
            secrets: SecretsManagerSource(client: SecretsManagerClient(aws)))
    }

    private static var now: Double { AWSClock.system.uptimeSeconds() }

    @Test func aServiceThatDoesNotAnswerIsAnErrorAtTheDeadlineThatSaysWhatToCheck() async throws {
        let server = try ScriptedHTTPServer { try $0.waitForPeerToGo() }
        defer { server.stop() }
        let client = HTTPClient(HTTPClientConfiguration(environment: [:]))
        let source = try Self.source(server.url, client)
        let begin = Self.now
        let error = await #expect(throws: FunctionFailure.self) {
            try await source.login(deadlineUptimeSeconds: begin + 0.5)
        }
        #expect(Self.now - begin < 3)
        #expect(error?.errorType == "SecretUnavailable")
        for words in ["SFTP_SECRET_ID", "partner", "totalTimeout", "interface endpoint", "NAT", "443"] {
            #expect(error?.errorMessage.contains(words) == true, "\(words)")
        }
        await client.shutdown()
    }

    @Test func aRefusalSaysWhichPermissionToCheck() async throws {
        let server = try ScriptedHTTPServer(answering: { _ in
            .init(400, body: Array(#"{"__type":"AccessDeniedException","Message":"not authorized"}"#.utf8))
        })
        defer { server.stop() }
        let client = HTTPClient(HTTPClientConfiguration(environment: [:]))
        let source = try Self.source(server.url, client)
        let error = await #expect(throws: FunctionFailure.self) {
            try await source.login(deadlineUptimeSeconds: Self.now + 60)
        }
        #expect(error?.errorMessage.contains("secretsmanager:GetSecretValue") == true)
        #expect(error?.errorMessage.contains("interface endpoint") == false)
        await client.shutdown()
    }

    @Test func whoIsCancelledLeavesTheReadToTheOthers() async throws {
        let gate = ScriptedHTTPServer.Gate()
        let server = try ScriptedHTTPServer { exchange in
            try gate.wait()
            try exchange.respond(200, body: Array(#"{"SecretString":"{\"Password\":\"p\"}"}"#.utf8))
        }
        defer { server.stop() }
        defer { gate.open() }
        let client = HTTPClient(HTTPClientConfiguration(environment: [:]))
        let source = try Self.source(server.url, client)
        let deadline = Self.now + 60
        let (first, second) = (
            Task { try await source.login(deadlineUptimeSeconds: deadline) },
            Task { try await source.login(deadlineUptimeSeconds: deadline) }
        )
        try await server.waitForRequests(1)
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        gate.open()
        #expect(try await second.value.password?.revealed == "p")
        await client.shutdown()
    }

    @Test func theReadEndsWhenNobodyWaitsForIt() async throws {
        let server = try ScriptedHTTPServer { try $0.waitForPeerToGo() }
        defer { server.stop() }
        let client = HTTPClient(HTTPClientConfiguration(environment: [:]))
        let source = try Self.source(server.url, client)
        let caller = Task { try await source.login(deadlineUptimeSeconds: Self.now + 60) }
        try await server.waitForRequests(1)
        caller.cancel()
        await #expect(throws: CancellationError.self) { try await caller.value }
        try await server.waitForOpenConnections(atMost: 0)
        await client.shutdown()
    }
}
