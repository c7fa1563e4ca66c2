import Foundation
import Glibc
public import HTTP

extension ScriptedHTTPServer {
    /// One request and its answer, for the handler. Stays on the connection's thread.
    public final class Exchange {
        /// The request; its body is there after `readBody`.
        public private(set) var request: Request

        private let server: ScriptedHTTPServer
        private let stream: ByteStream
        private var remainingBytes: UInt64
        private var isOver = false

        init(server: ScriptedHTTPServer, stream: ByteStream, request: Request) {
            self.server = server
            self.stream = stream
            self.request = request
            remainingBytes = request.headers["Content-Length"].flatMap(UInt64.init) ?? 0
        }

        // MARK: The request's body

        /// Reads the rest of the body and keeps it in the record of the request.
        @discardableResult
        public func readBody() throws -> [UInt8] {
            try forEachPiece { request.body.append(contentsOf: $0) }
            return request.body
        }

        /// Reads the rest of the body piece by piece, without keeping it.
        public func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
            defer { server.update(request) }
            while remainingBytes > 0 {
                let count = try stream.read(atMost: remainingBytes, body)
                remainingBytes -= UInt64(count)
                request.bodyBytes += UInt64(count)
            }
        }

        /// Reads so much of the body, without keeping it, and no more.
        public func discardBody(_ bytes: UInt64) throws {
            defer { server.update(request) }
            var left = min(bytes, remainingBytes)
            while left > 0 {
                let count = UInt64(try stream.discard(atMost: left))
                left -= count
                remainingBytes -= count
                request.bodyBytes += count
            }
        }

        /// Throws the rest of the body away, as fast as the kernel can.
        public func discardBody() throws { try discardBody(remainingBytes) }

        // MARK: The answer

        /// Sends a whole answer, after the rest of the request's body has been read and thrown away.
        public func respond(_ status: Int, headers: HTTPHeaders = [:], body: [UInt8] = []) throws {
            try discardBody()
            try sendResponse(Response(status, headers: headers, body: body))
        }

        /// The same.
        public func respond(_ response: Response) throws {
            try respond(response.status, headers: response.headers, body: response.body)
        }

        /// Sends a whole answer at once, whatever is left of the request's body.
        public func sendResponse(_ response: Response) throws {
            let hasNoBody = response.status == 204 || response.status == 304
            var headers = response.headers
            if headers["Content-Length"] == nil, headers["Transfer-Encoding"] == nil, !hasNoBody {
                headers.add("Content-Length", String(response.body.count))
            }
            try sendHead(response.status, headers: headers)
            if request.method != "HEAD", !hasNoBody { try send(response.body) }
        }

        /// Sends the head of an answer with these fields and no others.
        public func sendHead(_ status: Int, headers: HTTPHeaders = [:]) throws {
            let fields = headers.map { "\($0.name): \($0.value)\r\n" }.joined()
            try send("HTTP/1.1 \(status) Scripted\r\n\(fields)\r\n")
        }

        /// Sends bytes as they are.
        public func send(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes(stream.write) }

        /// Sends text as it is.
        public func send(_ text: String) throws { try send(Array(text.utf8)) }

        /// Sends `piece` over and over until `bytes` have gone.
        public func send(_ piece: [UInt8], repeatedTo bytes: UInt64) throws {
            var left = bytes
            while left > 0 {
                let count = Int(min(UInt64(piece.count), left))
                try piece.withUnsafeBytes { try stream.write(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
                left -= UInt64(count)
            }
        }

        // MARK: The end of the connection

        /// Closes the connection when the handler returns.
        public func close() { isOver = true }

        /// Resets the connection (RST) when the handler returns.
        public func reset() {
            stream.resetOnClose()
            isOver = true
        }

        /// Blocks until the client has ended the connection; what it still sends is thrown away.
        public func waitForPeerToGo() throws {
            do {
                while true { _ = try stream.discard(atMost: .max) }
            } catch is PeerGone {
                isOver = true
            }
        }

        /// Makes the connection ready for the next request; false when there is to be none.
        func finish() throws -> Bool {
            server.update(request)
            let wantsClose = request.headers["Connection"]?.lowercased() == "close"
            guard !isOver, !wantsClose else { return false }
            try discardBody()
            return true
        }
    }

    /// A socket with what has been read ahead of it.
    final class ByteStream {
        private static let maximumHeadBytes = 1 << 20

        private let descriptor: Int32
        private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        private var ahead: [UInt8] = []

        init(_ descriptor: Int32) { self.descriptor = descriptor }

        deinit { scratch.deallocate() }

        /// The bytes of a head with the line that ends it; nil when the client has closed between two requests.
        func readHead() throws -> String? {
            let end = Array("\r\n\r\n".utf8)
            while true {
                if let range = ahead.firstRange(of: end) {
                    defer { ahead.removeSubrange(..<range.upperBound) }
                    return String(decoding: ahead[..<range.upperBound], as: UTF8.self)
                }
                guard ahead.count < Self.maximumHeadBytes else { throw MalformedRequest(head: "too long") }
                let count = recv(descriptor, scratch.baseAddress, 64 << 10, 0)
                guard count > 0 else {
                    if count == 0, ahead.isEmpty { return nil }
                    throw PeerGone()
                }
                ahead.append(contentsOf: scratch[..<count])
            }
        }

        /// Hands over at least one byte and returns how many it were.
        func read(atMost limit: UInt64, _ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Int {
            if !ahead.isEmpty {
                let count = Int(min(UInt64(ahead.count), limit))
                try ahead.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
                ahead.removeFirst(count)
                return count
            }
            let count = recv(descriptor, scratch.baseAddress, Int(min(UInt64(scratch.count), limit)), 0)
            guard count > 0 else { throw PeerGone() }
            try body(UnsafeRawBufferPointer(rebasing: scratch[..<count]))
            return count
        }

        /// Throws at least one byte away. For TCP, MSG_TRUNC does it without copying; the address sanitizer, which does not
        /// know that, wants room for all of it.
        func discard(atMost limit: UInt64) throws -> Int {
            guard ahead.isEmpty else { return try read(atMost: limit) { _ in } }
            let count = recv(
                descriptor, scratch.baseAddress, Int(min(UInt64(scratch.count), limit)), Int32(MSG_TRUNC))
            guard count > 0 else { throw PeerGone() }
            return count
        }

        func write(_ bytes: UnsafeRawBufferPointer) throws {
            var rest = bytes
            while !rest.isEmpty {
                let count = Glibc.send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
                guard count > 0 else { throw PeerGone() }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        }

        /// Has the coming close send a reset instead of an orderly end.
        func resetOnClose() {
            var option = linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        }
    }
}
