/// What an object's metadata say of the file that it was pulled from.
enum PulledVersion {
    private enum Name {
        static let origin = "synced-from"
        static let modified = "mtime"
        /// The time that the listing said, where the open file had another one.
        static let listed = "mtime-listed"
    }

    /// The metadata of an object.
    /// - Parameters:
    ///   - origin: host:port:user (rule P8).
    ///   - modified: when the content was changed, as the server said it of the open file.
    ///   - listed: as its listing said it.
    static func metadata(from origin: String, modified: UnixTime?, listed: UnixTime?) -> [String: String] {
        var metadata = [Name.origin: origin]
        if let modified { metadata[Name.modified] = String(modified.seconds) }
        if let listed, listed != modified { metadata[Name.listed] = String(listed.seconds) }
        return metadata
    }

    /// Whether the object is what the listing shows.
    static func isStored(_ listed: FileVersion, from origin: String, in object: ObjectSummary) -> Bool {
        guard let modified = listed.modified, let sizeBytes = listed.sizeBytes else { return false }
        let time = object.metadata[Name.listed] ?? object.metadata[Name.modified]
        return object.metadata[Name.origin] == origin && object.sizeBytes == sizeBytes
            && time == String(modified.seconds)
    }
}
