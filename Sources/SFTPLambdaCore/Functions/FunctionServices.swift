package import AWS
package import HTTP
import LambdaRuntime
import Logging

/// What every function needs of the world outside, made from the environment. Nothing is connected before it is used.
package struct FunctionServices: Sendable {
    package let environment: [String: String]
    package let http: HTTPClient
    package let aws: AWSConfiguration
    package let log: LogOutput

    /// - Throws: `SettingsError` when no region is set, with every fault of the function's own settings besides: who sets
    ///   up a program learns of all at once.
    package init(for function: LambdaFunction, environment: [String: String], log: LogOutput) throws {
        self.environment = environment
        self.log = log
        http = HTTPClient(HTTPClientConfiguration(environment: environment))
        guard let region = try AWSRegion.resolve(environment: environment) else {
            throw SettingsError([Self.noRegion] + Self.faults(of: function, environment))
        }
        aws = AWSConfiguration(
            http: http, credentials: CredentialsChain(environment: environment, http: http), region: region,
            environment: environment)
    }

    private static let noRegion = SettingFault(
        name: "AWS_REGION", problem: "is not set, and no profile of the AWS tools names a region",
        expected: "the region of the buckets and queues (Lambda sets it)", example: "AWS_REGION=eu-central-1")

    private static func faults(of function: LambdaFunction, _ environment: [String: String]) -> [SettingFault] {
        do throws(SettingsError) {
            switch function {
            case .pull: _ = try PullSettings(environment: environment)
            case .push, .pushRetry: _ = try PushSettings(work: function, environment: environment)
            }
            return []
        } catch {
            return error.faults
        }
    }

    /// The metrics of a run, to be filled.
    func metrics(of function: LambdaFunction, _ run: FunctionRun) -> EmbeddedMetrics {
        let name = environment["AWS_LAMBDA_FUNCTION_NAME"] ?? function.rawValue
        var properties = [LogField.requestID: run.id]
        for field in LogField.ofInvocation {
            if case .string(let text)? = run.logger[metadataKey: field] { properties[field] = text }
        }
        return EmbeddedMetrics(
            namespace: EmbeddedMetrics.namespace, dimensions: [.init("FunctionName", name)], properties: properties)
    }
}

/// How many bytes of files an invocation may hold at once (decision 4).
enum MemoryBudget {
    /// Three parts: one arrives, one is sent, one waits for S3's answer. More makes no transfer faster.
    static let mostBytes = 24 * 1024 * 1024
    /// A part has to fit.
    static let leastBytes = 8 * 1024 * 1024
    private static let megabyte = 1024 * 1024

    /// An eighth of what the function has, within these bounds: the smallest function, with 128 MB, gets 16.
    static func bytes(environment: [String: String]) -> Int {
        guard let text = environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], let megabytes = Int(text) else {
            return mostBytes
        }
        return min(max(megabytes / 8 * megabyte, leastBytes), mostBytes)
    }
}
