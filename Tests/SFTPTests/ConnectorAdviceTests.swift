import Foundation
import TestKit
import Testing

@testable import SFTP
@testable import SFTPLambdaCore

/// What the connector adds to a failure: only it knows where the program runs.
@Suite(.serialized) struct ConnectorAdviceTests {
    /// Then what the function reaches is the proxy.
    @Test func behindAProxyTheWayOutOfAVPCIsNotSpokenOf() async throws {
        let silent = try SilentListener()
        defer { silent.stop() }
        let connector = ServerConnector(
            try PullSettings(environment: [
                "SFTP_HOST": "sftp.partner.invalid", "SFTP_USER": "u", "SFTP_PASSWORD": "p", "SFTP_SOURCE_DIR": "d",
                "SFTP_TARGET_S3_BUCKET": "bucket", "SFTP_PROXY": "http://127.0.0.1:\(silent.port)",
            ]).connection, secrets: NoSecret(), network: LambdaNetwork(functionName: "acme-pull"))
        let error = await #expect(throws: (any Error).self) {
            try await connector.connect(
                deadlineUptimeSeconds: SystemClock().uptimeSeconds + 0.6, logger: LogRecorder().logger())
        }
        let failure = try #require(error as? SFTPError)
        #expect(failure.step == .connect && failure.reason == .timeout)
        #expect(failure.remedy.hasPrefix("check SFTP_PROXY") && !failure.message.contains("NAT"), "\(failure.message)")
    }

    /// A server that swallows every packet, as a network without a way out does.
    @Test func aSilentServerMeansInLambdaPerhapsAVPCWithoutAWayOut() async throws {
        let silent = try SilentListener(backlog: 0)
        defer { silent.stop() }
        try silent.fillBacklog()
        for network in [LambdaNetwork(functionName: "acme-pull"), nil] {
            let connector = ServerConnector(
                try PullSettings(environment: [
                    "SFTP_HOST": "127.0.0.1", "SFTP_PORT": "\(silent.port)", "SFTP_USER": "u", "SFTP_PASSWORD": "p",
                    "SFTP_SOURCE_DIR": "d", "SFTP_TARGET_S3_BUCKET": "bucket",
                ]).connection, secrets: NoSecret(), network: network)
            let error = await #expect(throws: (any Error).self) {
                try await connector.connect(
                    deadlineUptimeSeconds: SystemClock().uptimeSeconds + 0.6, logger: LogRecorder().logger())
            }
            let failure = try #require(error as? SFTPError)
            #expect(failure.step == .connect && failure.reason == .timeout)
            #expect(failure.remedy.hasPrefix("check SFTP_HOST and SFTP_PORT"), "\(failure.message)")
            for words in ["NAT gateway", "--function-name acme-pull --query VpcConfig", "TCP port \(silent.port) out"] {
                #expect(failure.message.contains(words) == (network != nil), "\(failure.message)")
            }
            #expect(FunctionFailure(failure).errorType == "ServerUnreachable")
        }
    }
}

private struct NoSecret: SecretSource {
    func secretText(id: String, deadlineUptimeSeconds: Double) async throws -> String { throw CancellationError() }
}
