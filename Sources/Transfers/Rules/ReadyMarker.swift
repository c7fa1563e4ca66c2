/// The name of the file by which a partner says that another is complete (SFTP_READY_MARKER): a name in which `*` stands
/// for the whole name of the file that it speaks of, as in `*.done`.
public struct ReadyMarker: Hashable, Sendable {
    private let prefix: [UInt8]
    private let suffix: [UInt8]

    /// Reads the form of the names.
    /// - Throws: `ReadyMarkerFailure` unless it holds one `*`, something besides, and nothing that a name cannot hold.
    public init(_ text: String) throws(ReadyMarkerFailure) {
        let parts = text.utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false).map(Array.init)
        guard parts.count == 2 else {
            throw ReadyMarkerFailure(reason: "has to hold one *, which stands for the name of the file")
        }
        guard !parts[0].isEmpty || !parts[1].isEmpty else {
            throw ReadyMarkerFailure(reason: "would make every file its own marker")
        }
        guard RemoteName(bytes: parts[0] + parts[1]) != nil, parts[0].count + parts[1].count < RemoteName.maximumBytes
        else { throw ReadyMarkerFailure(reason: "is no name of a file in the same directory") }
        prefix = parts[0]
        suffix = parts[1]
    }

    /// The marker of a file; nil when it would be longer than names can be.
    public func name(for file: RemoteName) -> RemoteName? { RemoteName(bytes: prefix + file.bytes + suffix) }

    /// Whether a file of that name is a marker, and so none that is taken.
    public func isMarker(_ name: some Collection<UInt8>) -> Bool {
        name.count > prefix.count + suffix.count && name.starts(with: prefix)
            && name.dropFirst(name.count - suffix.count).elementsEqual(suffix)
    }

    /// Whether a marker with this time speaks of the file as it is now: one that is older was made for a file of that
    /// name that came before. Times that the server does not say say nothing against it.
    public static func speaks(_ marker: FileVersion, of file: FileVersion) -> Bool {
        guard let markerTime = marker.modified, let fileTime = file.modified else { return true }
        return markerTime >= fileTime
    }
}

/// Why a text is no form of marker names.
public struct ReadyMarkerFailure: Error, Hashable, Sendable {
    /// The reason, as the end of a sentence about the text.
    public let reason: String
}
