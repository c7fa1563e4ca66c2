import JSON

/// How far pull has come with a file of several parts that did not fit into one invocation: what the next one needs to
/// go on with it. Kept in the bucket as a small object (`docs/decisions.md`).
struct Checkpoint: Hashable, Sendable {
    /// `PullPlan.origin` of the pull that keeps it.
    var origin: String
    /// The file on the server.
    var path: String
    /// The object that it becomes.
    var key: ObjectKey
    /// The version that is read; a file of another size or time is another file.
    var sizeBytes: UInt64
    var modified: UnixTime
    /// The size of every part but the last.
    var partBytes: Int
    /// What the store has of it.
    var progress: UploadProgress
    /// How many runs have carried it. Only told: nothing depends on it.
    var attempts = 1

    /// The directory that holds checkpoints, below the prefix of the keys. Pull enters no directory of that name on the
    /// server, so that no file of a partner's becomes a checkpoint or replaces one.
    static let directory = ".sftp-lambda/"
    /// The longest that is read: 10,000 parts take 1.2 MB.
    static let maximumBytes = 2 << 20
    /// One that was not renewed for so long is given up, and the upload with it: 7 days.
    static let maximumAgeSeconds: Int64 = 7 * 24 * 3600

    private static let format: UInt64 = 1
    private static let maximumIDBytes = 1024
    private static let maximumFieldBytes = 256
    private static let maximumAttempts: UInt64 = 1_000_000

    /// Whether a key is one under which a pull keeps a checkpoint, whatever its prefix.
    static func isKept(under key: ObjectKey) -> Bool {
        let segments = key.text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        return segments.dropLast().last?.elementsEqual(directory.utf8.dropLast()) == true
    }

    /// Whether it is about this file, as it is now.
    func isOf(_ place: Place, _ version: FileVersion) -> Bool {
        origin == place.origin && path == place.path && key == place.fileKey && sizeBytes == version.sizeBytes
            && modified == version.modified && partBytes == PartPlan.partBytes
            && UInt64(max(0, progress.parts.count - 1)) * UInt64(partBytes) < sizeBytes
    }

    /// Where the checkpoint of a file is kept.
    struct Place: Hashable, Sendable {
        let origin: String
        let path: String
        /// The object that the file becomes.
        let fileKey: ObjectKey
        /// The checkpoint's own key.
        let key: ObjectKey

        /// Nil when none can be kept: the prefix leaves no room, or the path is no text.
        init?(origin: String, path: RemotePath, fileKey: ObjectKey, prefix: String, sha256: ([UInt8]) -> String) {
            guard let text = String(validating: path.bytes, as: UTF8.self) else { return nil }
            let identity = Array("\(origin)\n\(fileKey.text)\n".utf8) + path.bytes
            guard let key = ObjectKey(prefix + Checkpoint.directory + sha256(identity) + ".json") else { return nil }
            self.origin = origin
            self.path = text
            self.fileKey = fileKey
            self.key = key
        }
    }
}

extension Checkpoint: JSONWritable {
    func write(to text: inout JSONText) {
        text.object {
            $0.member("format", Self.format)
            $0.member("origin", origin)
            $0.member("path", path)
            $0.member("key", key.text)
            $0.member("sizeBytes", sizeBytes)
            $0.member("modified", UInt64(max(0, modified.seconds)))
            $0.member("partBytes", UInt64(partBytes))
            $0.member("attempts", UInt64(max(1, attempts)))
            $0.member("uploadId", progress.uploadID)
            $0.member("digest", progress.digest)
            $0.member("etags", progress.parts.map(\.etag))
            $0.member("sha256s", progress.parts.map(\.sha256))
        }
    }

    /// Reads what `write` wrote; nil for anything else, since whoever can write to the bucket may have written it.
    init?(parsing bytes: [UInt8]) {
        // What is wrong with it is of no use: it is given up.
        guard bytes.count <= Self.maximumBytes, let json = try? JSONValue(parsing: bytes), json.isObject,
            json["format"]?.unsignedInteger == Self.format, let origin = json["origin"]?.text,
            let path = json["path"]?.text, let key = json["key"]?.text.flatMap({ ObjectKey($0) }),
            let sizeBytes = json["sizeBytes"]?.unsignedInteger, let modified = json["modified"]?.unsignedInteger,
            let modifiedSeconds = Int64(exactly: modified), let partBytes = json["partBytes"]?.unsignedInteger,
            let uploadID = json["uploadId"]?.text, (1...Self.maximumIDBytes).contains(uploadID.utf8.count),
            let digest = json["digest"]?.text, (1...Self.maximumFieldBytes).contains(digest.utf8.count),
            let etags = Self.texts(json["etags"]), let sha256s = Self.texts(json["sha256s"]),
            (1...PartPlan.maximumParts).contains(etags.count), etags.count == sha256s.count
        else { return nil }
        self.init(
            origin: origin, path: path, key: key, sizeBytes: sizeBytes, modified: UnixTime(seconds: modifiedSeconds),
            partBytes: Int(clamping: partBytes),
            progress: UploadProgress(
                uploadID: uploadID,
                parts: zip(etags, sha256s).map { UploadProgress.Part(etag: $0, sha256: $1) }, digest: digest),
            // Those of an older program do not say it.
            attempts: Int(clamping: min(max(json["attempts"]?.unsignedInteger ?? 1, 1), Self.maximumAttempts)))
    }

    private static func texts(_ json: JSONValue?) -> [String]? {
        guard let elements = json?.elements else { return nil }
        let texts = elements.compactMap { $0.text }.filter { (1...maximumFieldBytes).contains($0.utf8.count) }
        return texts.count == elements.count ? texts : nil
    }
}
