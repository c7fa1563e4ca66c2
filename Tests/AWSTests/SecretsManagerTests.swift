import HTTP
import TestKit
import Testing

@testable import AWS

@Suite(.serialized) struct SecretsManagerTests {
    typealias Script = ScriptedExecutor

    @Test func readsASecretFromTheStandIn() async throws {
        let client = SecretsManagerClient(S3LocalTests.configuration(try SharedAWS.standIn()))
        let value = try await client.getSecretValue("partner")
        #expect(value.secretString == #"{"Username":"u","PrivateKey":"k\n"}"#)
        #expect(value.name == "partner" && value.versionID != nil)
        var shown = "\(value)"
        dump(value, to: &shown)
        #expect(!shown.contains("Username"))
        let error = await failure { () throws(AWSError) in _ = try await client.getSecretValue("missing") }
        #expect(error?.kind == .notFound && error?.code == "ResourceNotFoundException")
        #expect(error?.operation == "GetSecretValue" && error?.subject == "missing")
    }

    @Test func aWrongSecretKeyIsDenied() async throws {
        let wrong = ["AWS_SECRET_ACCESS_KEY": "wrong"]
        let client = SecretsManagerClient(S3LocalTests.configuration(try SharedAWS.standIn(), environment: wrong))
        let error = await failure { () throws(AWSError) in _ = try await client.getSecretValue("partner") }
        #expect(error?.kind == .denied)
    }

    @Test func asksTheProtocolsWay() async throws {
        let http = Script([Script.status(200, #"{"Name":"n","SecretString":"s"}"#)])
        _ = try await SecretsManagerClient(configuration(http, region: "cn-north-1")).getSecretValue("name/x")
        let seen = http.seen[0]
        #expect(seen.request.url == "https://secretsmanager.cn-north-1.amazonaws.com.cn/")
        #expect(seen.request.headers["X-Amz-Target"] == "secretsmanager.GetSecretValue")
        #expect(seen.request.headers["Content-Type"] == "application/x-amz-json-1.1")
        #expect(String(decoding: seen.body, as: UTF8.self).contains("SecretId"))
    }

    @Test func anARNsRegionWins() async throws {
        let http = Script([Script.status(200, #"{"SecretString":"s"}"#)])
        let arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:partner-AbCdEf"
        _ = try await SecretsManagerClient(configuration(http)).getSecretValue(arn)
        #expect(http.seen[0].request.url == "https://secretsmanager.us-west-2.amazonaws.com/")
        let authorization = http.seen[0].request.headers["Authorization"]
        #expect(authorization?.contains("/us-west-2/secretsmanager/aws4_request") == true)
    }

    @Test func theEndpointVariableWins() async throws {
        let http = Script([Script.status(200, #"{"SecretString":"s"}"#)])
        let environment = ["AWS_ENDPOINT_URL": "http://a:1", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://b:2/"]
        _ = try await SecretsManagerClient(configuration(http, environment: environment)).getSecretValue("n")
        #expect(http.seen[0].request.url == "http://b:2/")
    }

    @Test func whatPassesIsTriedAgainAndWhatDoesNotIsNot() async throws {
        let http = Script([
            Script.status(400, #"{"__type":"ThrottlingException","message":"slow"}"#),
            Script.status(500, #"{"__type":"InternalServiceError"}"#), Script.status(200, "not json"),
            Script.failure(.connectionLost), Script.status(200, #"{"SecretString":"s"}"#),
        ])
        #expect(try await SecretsManagerClient(configuration(http)).getSecretValue("n").secretString == "s")
        for (answer, kind) in [
            (
                Script.status(400, #"{"__type":"com.amazon#AccessDeniedException","Message":"no"}"#),
                AWSError.Kind.denied
            ),
            (Script.status(400, headers: ["x-amzn-ErrorType": "DecryptionFailure:http://x/"], "{}"), .rejected),
            (Script.status(200, #"{"Name":"n"}"#), .rejected),
        ] {
            let http = Script([answer])
            let error = await failure { () throws(AWSError) in
                _ = try await SecretsManagerClient(configuration(http)).getSecretValue("n")
            }
            #expect(error?.kind == kind && http.seen.count == 1)
        }
    }

    @Test(arguments: [
        (200, "the-secret", "it is not JSON"),
        (200, #"{"SecretString":{"the-secret":1}}"#, "SecretString is no String"),
        (403, "<html>the-secret", "it is not JSON"), (403, #"["the-secret"]"#, "the whole is no"),
    ]) func anAnswerThatCannotBeReadIsNamedButNotQuoted(_ status: Int, _ body: String, _ words: String) async throws {
        let http = Script([Script.status(status, body)])
        let error = await failure { () throws(AWSError) in
            let client = SecretsManagerClient(configuration(http, retry: RetryPolicy(maximumAttempts: 1)))
            _ = try await client.getSecretValue("n")
        }
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
        #expect(error?.description.contains("the-secret") == false)
    }
}
