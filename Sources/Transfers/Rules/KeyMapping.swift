/// Which object a file becomes (rule P1): the prefix, then the file's path below the source directory.
///
/// Two files of one tree never become one object: the path below the source directory tells them apart byte by byte,
/// and it is kept byte by byte.
public struct KeyMapping: Sendable {
    /// What stands before every path: empty, or ending in `/`.
    public let prefix: String

    /// Makes a mapping.
    public init(prefix: String) { self.prefix = prefix }

    /// The key for the path below the source directory.
    /// - Throws: `KeyMappingFailure` when no key can be made of it.
    public func key(forRelative path: [UInt8]) throws(KeyMappingFailure) -> ObjectKey {
        guard let text = String(validating: path, as: UTF8.self) else {
            throw KeyMappingFailure(reason: "its name is not UTF-8, and an S3 key has to be")
        }
        guard let key = ObjectKey(prefix + text) else {
            let length = prefix.utf8.count + path.count
            throw KeyMappingFailure(
                reason: "its key would have \(length) bytes; S3 takes 1 to \(ObjectKey.maximumBytes)")
        }
        return key
    }
}

/// Why a file cannot become an object.
public struct KeyMappingFailure: Error, Hashable, Sendable {
    /// The reason, as the end of a sentence about the file.
    public let reason: String
}
