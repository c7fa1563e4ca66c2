import AWS
import Foundation
import TestKit
import Transfers

/// The bucket, the queue and the partner's tree, past the functions.
extension PushWorld {
    /// One version of an object, as it was stored.
    struct Version: Sendable {
        var key: String
        var bytes: [UInt8]
        var etag: String
        var versionID: String?
    }

    /// Stores an object, or its next version.
    func put(_ key: String, _ bytes: [UInt8], metadata: [String: String] = [:]) async throws -> Version {
        let stored = try await s3.putObject(
            S3PutRequest(address(key), content: [bytes], attributes: S3ObjectAttributes(metadata: metadata)))
        return Version(key: key, bytes: bytes, etag: stored.etag, versionID: stored.versionID)
    }

    /// Deletes an object, as people do: its versions stay.
    func delete(_ key: String) async throws { try await s3.deleteObject(address(key)) }

    /// What S3 says of the current object; nil when there is none.
    func head(_ key: String) async throws -> S3ObjectInfo? {
        do throws(AWSError) {
            return try await s3.headObject(S3ReadRequest(address(key)))
        } catch {
            guard error.kind == .notFound else { throw error }
            return nil
        }
    }

    private func address(_ key: String) -> S3Address { S3Address(bucket: Self.bucket, key: key) }

    /// What S3 sends when these versions were stored: a record for each.
    static func notification(of versions: Version...) throws -> String { try notification(of: versions) }

    static func notification(of versions: [Version]) throws -> String {
        let records = versions.map { version -> [String: Any] in
            var object: [String: Any] = [
                "key": formEncoded(version.key), "size": version.bytes.count,
                "eTag": version.etag.replacing("\"", with: ""), "sequencer": "0055AED6DCD90281E5",
            ]
            object["versionId"] = version.versionID
            return [
                "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1",
                "eventTime": "2026-03-01T10:15:30.123Z", "eventName": "ObjectCreated:Put",
                "s3": ["s3SchemaVersion": "1.0", "bucket": ["name": bucket], "object": object],
            ]
        }
        return String(decoding: try JSONSerialization.data(withJSONObject: ["Records": records]), as: UTF8.self)
    }

    /// As S3 writes keys in its notifications: a space is a plus, and all but a few signs are their bytes of UTF-8.
    static func formEncoded(_ key: String) -> String {
        key.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "*"), UInt8(ascii: "/"):
                String(UnicodeScalar(byte))
            case UInt8(ascii: " "): "+"
            default: String(format: "%%%02X", byte)
            }
        }.joined()
    }

    // MARK: The partner's tree

    private func place(_ key: String) -> RemotePath { RemotePath("\(tree.path)/\(Self.targetFolder)/\(key)") }

    /// Puts a file where the object of that key goes, as if it had been pushed before.
    func plant(_ key: String, _ bytes: [UInt8]) async throws {
        try FileManager.default.createDirectory(
            at: tree.appendingPathComponent("\(Self.targetFolder)/\(key)").deletingLastPathComponent(),
            withIntermediateDirectories: true)
        try await RemoteFilesContract.Partner.localFileSystem.put(place(key), bytes, UnixTime(seconds: 1_700_000_000))
    }

    /// What stands under the object's name; nil when nothing does.
    func file(_ key: String) async throws -> [UInt8]? {
        try await RemoteFilesContract.Partner.localFileSystem.read(place(key))
    }

    /// When the object's file was changed, as the partner sees it.
    func fileTime(_ key: String) async throws -> UnixTime? {
        try await RemoteFilesContract.Partner.localFileSystem.modified(place(key))
    }

    /// The permissions of what the object of that key became, or of a directory of that name.
    func mode(_ key: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: "\(place(key))")[.posixPermissions] as? Int
    }

    /// Temporary files of ours, anywhere in the tree.
    func temporaryFiles() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: tree.path).filter { path in
            path.split(separator: "/").last.flatMap { RemoteName(bytes: Array($0.utf8)) }
                .map(TemporaryName.isOurs) ?? false
        }
    }

    // MARK: The queue

    /// How many messages are on the retry queue, hidden ones included.
    func queuedCount() async throws -> Int {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        return try await sqs.attributes(of: queue, names: names).values.compactMap { Int($0) }.reduce(0, +)
    }

    // MARK: What must be true

    /// What keeps the version from being delivered: whole under its name, and marked by a mark that is true.
    func faults(_ version: Version) async throws -> [String] {
        let file = try await file(version.key)
        var faults: [String] = []
        if file != version.bytes {
            faults.append(
                "\(version.key): on the server \(file.map { "are \($0.count) other bytes" } ?? "is nothing") "
                    + "in place of \(version.bytes.count)")
        }
        guard let head = try await head(version.key) else { return faults + ["\(version.key): the object is gone"] }
        if !isMarked(head, as: version) { faults.append("\(version.key): no mark, or not its own: \(head)") }
        return faults
    }

    /// Whether the object carries the mark of this version for the partner's server (rule U6).
    func isMarked(_ head: S3ObjectInfo, as version: Version) -> Bool {
        guard let mark = markForServer(head, key: version.key), let etag = ETag(version.etag) else { return false }
        return mark.etags.first == etag && ETag(head.etag) == etag && mark.time != nil
    }

    /// The object's mark, if it has one that counts for the partner's server.
    func markForServer(_ head: S3ObjectInfo, key: String) -> SyncMark? {
        let identity = "\(origin):\(Self.targetFolder)/\(key)"
        guard let mark = SyncMark(metadata: head.attributes.metadata),
            mark.destinations.contains(ReferenceSHA256.hexadecimal(Array(identity.utf8)))
        else { return nil }
        return mark
    }
}
