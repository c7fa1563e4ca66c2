public import Foundation
public import HTTP

/// `local/lean_s3.py`: an S3 and an SQS that keep up, and what they tell of themselves.
public final class LeanStore: Sendable {
    /// For AWS_ENDPOINT_URL.
    public let endpoint: String
    /// The same without its scheme.
    public let address: String

    private let standIn: StandIn

    /// Starts it.
    /// - Parameters:
    ///   - arguments: those of the program.
    ///   - workFolder: where its log goes.
    public init(_ arguments: [String] = [], workFolder: URL) throws {
        standIn = try StandIn("lean_s3.py", arguments, workFolder: workFolder)
        guard let endpoint = standIn.ready["endpoint"] else {
            throw PlainHTTP.Failure(description: "the ready line lacks the endpoint: \(standIn.ready)")
        }
        self.endpoint = endpoint
        address = endpoint.replacing("http://", with: "")
    }

    /// An object as it stands in a bucket.
    public struct Object: Sendable, Decodable {
        /// A part of an object that came in parts.
        public struct Part: Sendable, Decodable {
            /// In hexadecimal digits.
            public var sha256: String

            /// Reads the first item of a part's list.
            public init(from decoder: any Decoder) throws {
                var fields = try decoder.unkeyedContainer()
                sha256 = try fields.decode(String.self)
            }
        }

        /// Its bucket.
        public var bucket: String
        /// Its key.
        public var key: String
        /// Its size in bytes.
        public var length: Int
        /// In hexadecimal digits.
        public var sha256: String
        /// The headers of it that begin with `x-amz-meta-`, and those that are kept besides.
        public var metadata: [String: String]
        /// Nil of an object that came whole.
        public var parts: [Part]?
    }

    /// Everything in the buckets.
    public func objects() async throws -> [Object] { try await look("/_objects") }

    /// The uploads that have begun and not ended.
    public func uploads() async throws -> [String] { try await look("/_uploads") }

    /// What is under way and waiting.
    public struct State: Decodable, Sendable {
        /// How many uploads have begun and not ended.
        public var uploads: Int
        /// The bodies on the queues.
        public var messages: [String]
    }

    /// What is under way and waiting.
    public func state() async throws -> State { try await look("/_state") }

    /// Shows every hidden message again.
    public func showMessages() async throws { try await send("POST", "/_show") }

    /// Forgets all objects, uploads and messages.
    public func reset() async throws { try await send("POST", "/_reset") }

    private func look<Answer: Decodable>(_ path: String) async throws -> Answer {
        try JSONDecoder().decode(Answer.self, from: Data(try await send("GET", path)))
    }

    /// Sends a request, as it is.
    /// - Returns: the body of the answer.
    /// - Throws: `PlainHTTP.Failure` when the answer is no success.
    @discardableResult
    public func send(
        _ method: String, _ path: String, headers: HTTPHeaders = [:], _ body: [UInt8] = []
    ) async throws -> [UInt8] {
        let answer = try await PlainHTTP.send(method, address, path, headers: headers, body: body)
        guard (200..<300).contains(answer.status) else {
            throw PlainHTTP.Failure(description: "\(method) \(path): \(answer.status) \(answer.text)")
        }
        return answer.body
    }

    /// Ends it.
    public func stop() { standIn.stop() }
}
