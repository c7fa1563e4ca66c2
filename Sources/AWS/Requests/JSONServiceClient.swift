import HTTP
import JSON

/// Calls of AWS's JSON protocols (Smithy, "AWS JSON 1.0 protocol" and "AWS JSON 1.1 protocol"): SQS, Secrets Manager.
struct JSONServiceClient: Sendable {
    /// The signing name, such as `secretsmanager`.
    var service: String
    /// What stands before the dot in `X-Amz-Target`.
    var targetPrefix: String
    /// `1.0` or `1.1`.
    var version: String
    /// The variable that names another endpoint.
    var endpointVariable: String
    /// The first label of AWS's own endpoint.
    var hostLabel: String
    var client: ServiceClient

    /// The largest answer that is read: SQS gives up to ten messages of 1 MiB, with their text escaped.
    static let maximumAnswerBytes = 32 << 20

    /// Calls an action.
    /// - Parameters:
    ///   - subject: what it is done on, for errors.
    ///   - region: the region, when it is another than the configuration's.
    ///   - stallSeconds: how long the service may be silent.
    func call<Input: JSONWritable, Output: JSONReadable>(
        _ action: String, subject: String, _ input: Input, as output: Output.Type, region: String? = nil,
        stallSeconds: Int = HTTPLimits.standard.stallSeconds, deadlineUptimeSeconds: Double?
    ) async throws(AWSError) -> Output {
        let body = input.jsonBytes
        let custom = client.configuration.endpoint(endpointVariable)
        let hostLabel = hostLabel
        var call = ServiceCall(
            operation: action, subject: subject, service: service, pathRule: .general, method: .post,
            url: { "\(custom ?? "https://\(hostLabel).\($0).\(AWSRegion.hostSuffix($0))")/" },
            headers: [
                "Content-Type": "application/x-amz-json-\(version)", "X-Amz-Target": "\(targetPrefix).\(action)",
            ],
            payloadHash: Text.hexadecimal(SHA256Hasher.digest(body)), body: { .bytes(body) }, fixedRegion: region)
        call.stallSeconds = stallSeconds
        return try await client.run(call, deadlineUptimeSeconds: deadlineUptimeSeconds) { response, _ in
            let answer: [UInt8]
            do throws(HTTPError) { answer = try await response.body.collect(upTo: Self.maximumAnswerBytes) } catch {
                return error.kind == .bodyTooLarge ? .malformed(error.message) : .lost(error)
            }
            guard response.status == 200 else { return .refused(ServiceFailure(response, json: answer)) }
            // An action that gives nothing may answer with no body.
            let document = answer.isEmpty ? Array("{}".utf8) : answer
            do { return .success(try Output(parsing: document)) } catch {
                return .malformed("the answer is not what \(action) gives: \(error)")
            }
        }
    }
}

extension ServiceFailure {
    private struct Answer: JSONReadable {
        var type: String?
        var message: String?

        init(json: JSONValue) throws(JSONFieldFault) {
            type = try json.optional("__type")
            let capitalised: String? = try json.optional("Message")
            message = try json.optional("message") ?? capitalised
        }
    }

    /// Reads an error of the JSON protocols. The code stands in the header `x-amzn-ErrorType` or in `__type`, with a
    /// namespace before `#` and a link behind `:`.
    init(_ response: HTTPResponse, json: [UInt8]) {
        self.init(response)
        var type = response.headers["x-amzn-ErrorType"]
        do {
            let answer = try Answer(parsing: json)
            type = type ?? answer.type
            message = answer.message.map(Self.bounded)
        } catch {
            // Such as the page of a proxy. The status remains.
            message = "the body of the answer says no reason: \(error)"
        }
        // SQS's name of the error from before it spoke JSON, and whose fault it is: `code;Sender`. The only code of an
        // answer without a body.
        if type == nil { type = Self.queryCode(response.headers["x-amzn-query-error"]) }
        if let type {
            let behind = type.utf8.split(separator: UInt8(ascii: "#")).last ?? type.utf8[...]
            code = Self.bounded(String(decoding: behind.prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self))
        }
    }

    private static func queryCode(_ header: String?) -> String? {
        header?.utf8.split(separator: UInt8(ascii: ";")).first.map { String(decoding: $0, as: UTF8.self) }
    }
}
