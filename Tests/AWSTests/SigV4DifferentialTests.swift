import AWS
import Foundation
import HTTP
import TestKit
import Testing

/// Signs random requests with ours and with botocore's signer and compares every byte.
@Suite struct SigV4DifferentialTests {
    struct Order: Encodable {
        var method: String
        var url: String
        var headers: [[String]]
        var body: Data
        var service: String
        var region: String
        var epochSeconds: Int64
        var pathRule: String
        var accessKeyID: String
        var secretAccessKey: String
        var sessionToken: String?
    }

    struct Answer: Decodable {
        var authorization: String
        var canonicalRequest: String
    }

    static let requestCount = 1500

    @Test func signsLikeBotocore() throws {
        var random = SeededGenerator(seed: 20_150_830)
        let orders = (0..<Self.requestCount).map { _ in Self.order(&random) }
        let answers = try Self.botocore(orders)
        #expect(answers.count == orders.count)
        let signer = SigV4Signer()
        for (order, answer) in zip(orders, answers) {
            let rule: CanonicalPathRule = order.pathRule == "s3" ? .s3 : .general
            let request = HTTPRequest(
                HTTPMethod(rawValue: order.method), order.url,
                headers: HTTPHeaders(order.headers.map { .init(name: $0[0], value: $0[1]) }))
            let payloadHash = hexadecimal(SHA256Hasher.digest(order.body))
            let signed = signer.sign(
                request,
                scope: SigningScope(region: order.region, service: order.service, epochSeconds: order.epochSeconds),
                credentials: AWSCredentials(
                    accessKeyID: order.accessKeyID, secretAccessKey: order.secretAccessKey,
                    sessionToken: order.sessionToken),
                payloadHash: payloadHash, pathRule: rule)
            let canonical = SigV4.canonicalRequest(signed, payloadHash: payloadHash, pathRule: rule)
            try #require(canonical.text == answer.canonicalRequest, "\(order)")
            try #require(signed.headers["Authorization"] == answer.authorization, "\(order)")
        }
    }

    private static func order(_ random: inout SeededGenerator) -> Order {
        let isS3 = Bool.random(using: &random)
        let hosts = [
            "s3.eu-central-1.amazonaws.com", "bucket.s3.cn-north-1.amazonaws.com.cn", "127.0.0.1:4566", "sqs.local",
        ]
        var headers: [[String]] = []
        for _ in 0..<Int.random(in: 0...5, using: &random) {
            let names = [
                "X-Amz-Meta-A", "x-amz-meta-b", "Content-Type", "My-Header", "User-Agent", "Range", "X-Amzn-Trace-Id",
            ]
            let spaces = ["", " ", "   ", "\t", " \t "]
            let value =
                (0..<Int.random(in: 0...4, using: &random)).map { _ in
                    pick(spaces, &random) + pick(["a", "b,c", "\"q  q\"", "é", "日本", "x=y;z", "-"], &random)
                }.joined() + pick(spaces, &random)
            headers.append([pick(names, &random), value])
        }
        return Order(
            method: pick(["GET", "PUT", "POST", "DELETE", "HEAD"], &random),
            url: "https://\(pick(hosts, &random))\(path(&random))\(query(&random))", headers: headers,
            body: Data(
                (0..<Int.random(in: 0...40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }),
            service: isS3 ? "s3" : pick(["sqs", "secretsmanager", "service"], &random),
            region: pick(["us-east-1", "eu-central-1", "cn-north-1"], &random),
            epochSeconds: Int64.random(in: 0...4_102_444_800, using: &random), pathRule: isS3 ? "s3" : "general",
            accessKeyID: "AKIDEXAMPLE",
            secretAccessKey: pick(["wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "geheim"], &random),
            sessionToken: Bool.random(using: &random) ? "token//+\(random.next())==" : nil)
    }

    /// An encoded path with segments that rules differ on.
    private static func path(_ random: inout SeededGenerator) -> String {
        let segments = [
            "a", "", ".", "..", "b c", "ü", "u\u{308}", "日本語", "100%", "a+b", "%41", "x=y", "~-_.", "'\"", "a:b@c", "*",
            "!()",
            "…", ".done", "a;b,c", "&?#", "😀",
        ]
        let count = Int.random(in: 0...6, using: &random)
        return "/" + (0..<count).map { _ in encoded(pick(segments, &random)) }.joined(separator: "/")
            + (Bool.random(using: &random) ? "/" : "")
    }

    private static func query(_ random: inout SeededGenerator) -> String {
        let words = [
            "uploads", "partNumber", "a", "A", "prefix", "ä", "x y", "", "=", "&", "+", "%", "/", "~", "1", "10", "a.b",
            "😀",
        ]
        let items = (0..<Int.random(in: 0...5, using: &random)).map { _ in
            let name = encoded(pick(words, &random))
            return switch Int.random(in: 0...3, using: &random) {
            case 0: name.isEmpty ? "n=" : name
            case 1: "\(name)="
            default: "\(name)=\(encoded(pick(words, &random)))"
            }
        }
        return items.isEmpty ? "" : "?" + items.joined(separator: "&")
    }

    private static func encoded(_ text: String) -> String {
        text.utf8.map { byte in
            let character = Character(Unicode.Scalar(byte))
            let stays = byte < 0x80 && (character.isLetter || character.isNumber || "-._~".contains(character))
            return stays ? String(character) : "%" + String(format: "%02X", byte)
        }.joined()
    }

    private static func pick<Value>(_ values: [Value], _ random: inout SeededGenerator) -> Value {
        values[Int.random(in: 0..<values.count, using: &random)]
    }

    /// All answers of one Python process.
    private static func botocore(_ orders: [Order]) throws -> [Answer] {
        let folder = try TemporaryFolder()
        let input = folder.url.appendingPathComponent("orders")
        var lines = Data()
        for order in orders { lines += try JSONEncoder().encode(order) + Data("\n".utf8) }
        try lines.write(to: input)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: StandIn.python)
        process.arguments = [StandIn.packageRoot.appendingPathComponent("local/botocore_signer.py").path]
        let output = Pipe()
        process.standardInput = try FileHandle(forReadingFrom: input)
        process.standardOutput = output
        try process.run()
        let answer = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return try answer.split(separator: UInt8(ascii: "\n")).map { try JSONDecoder().decode(Answer.self, from: $0) }
    }
}
