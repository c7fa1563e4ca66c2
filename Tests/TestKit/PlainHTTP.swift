import Foundation
import Glibc
public import HTTP
import Synchronization

/// The simplest HTTP/1.1 client that works: one request, one connection, one blocking thread. Tests use it towards
/// stand-ins, so that what judges our HTTP client is not our HTTP client.
public enum PlainHTTP {
    /// A response that has arrived whole.
    public struct Answer: Sendable {
        /// The status code.
        public var status: Int
        /// The header fields.
        public var headers: HTTPHeaders
        /// The body.
        public var body: [UInt8]

        /// The body as text.
        public var text: String { String(decoding: body, as: UTF8.self) }
    }

    /// No answer, or none that can be understood.
    public struct Failure: Error, CustomStringConvertible {
        /// What was seen.
        public var description: String
    }

    /// No stand-in needs as long for an answer.
    private static let receiveTimeoutSeconds = 120

    /// Sends a request to `127.0.0.1:port` and returns when the connection has ended.
    /// - Parameter path: with its query, as it goes on the request line.
    public static func send(
        _ method: String, _ address: String, _ path: String, headers: HTTPHeaders = [:], body: [UInt8] = []
    ) async throws -> Answer {
        let answer = Pending()
        await withCheckedContinuation { continuation in
            // A thread of its own: blocking one of the few threads of the concurrency pool could hold up the very
            // task that this request waits for.
            Thread.detachNewThread {
                let result = Result { try exchange(method, address, path, headers, body) }
                answer.result.withLock { $0 = result }
                continuation.resume()
            }
        }
        guard let result = answer.result.withLock({ $0 }) else { throw Failure(description: "the thread has gone") }
        return try result.get()
    }

    /// What a thread hands over. The thread sanitizer does not see that a continuation does so.
    private final class Pending: Sendable {
        let result = Mutex<Result<Answer, any Error>?>(nil)
    }

    private static func exchange(
        _ method: String, _ address: String, _ path: String, _ headers: HTTPHeaders, _ body: [UInt8]
    ) throws -> Answer {
        let descriptor = try connected(to: address)
        defer { close(descriptor) }
        var head = "\(method) \(path) HTTP/1.1\r\nHost: \(address)\r\nConnection: close\r\n"
        for field in headers { head += "\(field.name): \(field.value)\r\n" }
        head += "Content-Length: \(body.count)\r\n\r\n"
        try write(Array(head.utf8) + body, to: descriptor)
        return try decode(readToEnd(of: descriptor))
    }

    private static func connected(to address: String) throws -> Int32 {
        let parts = address.split(separator: ":")
        guard parts.count == 2, let port = UInt16(parts[1]) else { throw Failure(description: "no port: \(address)") }
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(description: "socket: errno \(errno)") }
        var timeout = timeval(tv_sec: receiveTimeoutSeconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.bigEndian
        inet_pton(AF_INET, String(parts[0]), &target.sin_addr)
        let status = withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else {
            close(descriptor)
            throw Failure(description: "connect to \(address): errno \(errno)")
        }
        return descriptor
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(description: "send: errno \(errno)") }
            sent += count
        }
    }

    private static func readToEnd(of descriptor: Int32) throws -> [UInt8] {
        var received: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = recv(descriptor, &piece, piece.count, 0)
            guard count >= 0 else { throw Failure(description: "receive: errno \(errno)") }
            guard count > 0 else { return received }
            received += piece[..<count]
        }
    }

    private static func decode(_ bytes: [UInt8]) throws -> Answer {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else {
            throw Failure(description: "the connection ended without an answer")
        }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ", maxSplits: 2)
        guard words.count >= 2, let status = Int(words[1]) else { throw Failure(description: "no status: \(lines[0])") }
        var headers = HTTPHeaders()
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            headers.add(String(parts[0]), parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : "")
        }
        let body = Array(bytes[end.upperBound...])
        guard headers["Content-Length"].flatMap(Int.init) ?? body.count == body.count else {
            throw Failure(description: "the body broke off after \(body.count) bytes")
        }
        return Answer(status: status, headers: headers, body: body)
    }
}
