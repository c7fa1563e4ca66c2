import AWS
import Foundation
import HTTP
import TestKit
import Testing

@testable import SFTPLambdaCore

/// SFTP_RETRY_QUEUE_NAME as name, URL and ARN.
@Suite struct QueueResolvingTests {
    private static let arn = "arn:aws:sqs:us-west-2:210987654321:acme"

    @Test(arguments: [
        ("acme", ["QueueName": "acme"], "eu-central-1"),
        (arn, ["QueueName": "acme", "QueueOwnerAWSAccountId": "210987654321"], "us-west-2"),
    ]) func namesAndARNsAreAskedFor(_ text: String, _ asked: [String: String], _ region: String) async throws {
        let server = try ScriptedHTTPServer(answering: { _ in
            .init(200, body: Array(#"{"QueueUrl":"http://127.0.0.1:1/210987654321/acme"}"#.utf8))
        })
        defer { server.stop() }
        let queue = try await QueueReference(text).queue(Self.client(server.url))
        #expect(queue.url == "http://127.0.0.1:1/210987654321/acme")
        let request = try #require(server.requests.first)
        #expect(request.headers["Authorization"]?.contains("/\(region)/sqs/") == true)
        #expect(try JSONDecoder().decode([String: String].self, from: Data(request.body)) == asked)
        // What is done on the queue of an ARN is done in the ARN's region.
        try await Self.client(server.url).deleteMessage("r", from: queue)
        #expect(server.requests.last?.headers["Authorization"]?.contains("/\(region)/sqs/") == true)
    }

    @Test func aURLIsTakenAsItIs() async throws {
        let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/acme"
        let queue = try await QueueReference(url).queue(Self.client("http://127.0.0.1:1"))
        #expect(queue == SQSQueue(url: url) && queue.region == "eu-west-1")
    }

    private static func client(_ endpoint: String) -> SQSClient {
        SQSClient(
            AWSConfiguration(
                http: HTTPClient(HTTPClientConfiguration(environment: [:])),
                credentials: StaticCredentials(AWSCredentials(accessKeyID: "id", secretAccessKey: "s")),
                region: "eu-central-1", environment: ["AWS_ENDPOINT_URL_SQS": endpoint]))
    }
}
