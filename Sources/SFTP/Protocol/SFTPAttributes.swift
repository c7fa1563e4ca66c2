/// What a server says of a file, or is told of it (ATTRS, draft-ietf-secsh-filexfer-02, section 5). Any of it may be
/// missing; when sent, what is nil stays as it is.
public struct SFTPAttributes: Hashable, Sendable {
    /// What kind of thing stands behind a name.
    public enum Kind: String, Hashable, Sendable {
        /// A regular file.
        case file
        /// A directory.
        case directory
        /// A symbolic link.
        case symbolicLink
        /// A device, pipe or socket.
        case special
    }

    /// Owner and group as numbers; version 3 has them only together.
    public struct Owner: Hashable, Sendable {
        /// The user's number.
        public var userID: UInt32
        /// The group's number.
        public var groupID: UInt32

        /// Makes an owner.
        public init(userID: UInt32, groupID: UInt32) {
            self.userID = userID
            self.groupID = groupID
        }
    }

    /// Access and modification time in whole seconds since 1970-01-01 UTC, until 2106; only together.
    public struct Times: Hashable, Sendable {
        /// When the file was last read.
        public var accessSeconds: UInt32
        /// When the content last changed.
        public var modificationSeconds: UInt32

        /// Makes times.
        public init(accessSeconds: UInt32, modificationSeconds: UInt32) {
            self.accessSeconds = accessSeconds
            self.modificationSeconds = modificationSeconds
        }
    }

    /// An attribute that version 3 has no field for.
    public struct Extended: Hashable, Sendable {
        /// `name@domain`, as bytes.
        public var name: [UInt8]
        /// The value, whose meaning the name gives.
        public var value: [UInt8]

        /// Makes a pair.
        public init(name: [UInt8], value: [UInt8]) {
            self.name = name
            self.value = value
        }
    }

    /// The size in bytes.
    public var sizeBytes: UInt64?
    /// Owner and group.
    public var owner: Owner?
    /// The mode as POSIX has it: permission bits, and the type bits where the server sends them.
    public var permissions: UInt32?
    /// Access and modification time.
    public var times: Times?
    /// Further attributes in the order of the wire.
    public var extended: [Extended]

    /// Makes attributes; those not named are not sent.
    public init(
        sizeBytes: UInt64? = nil, owner: Owner? = nil, permissions: UInt32? = nil, times: Times? = nil,
        extended: [Extended] = []
    ) {
        self.sizeBytes = sizeBytes
        self.owner = owner
        self.permissions = permissions
        self.times = times
        self.extended = extended
    }

    /// What the type bits of the mode say; nil when the server sent none.
    public var kind: Kind? {
        switch (permissions ?? 0) & Self.typeMask {
        case 0: nil
        case 0o100_000: .file
        case 0o040_000: .directory
        case 0o120_000: .symbolicLink
        default: .special
        }
    }

    static let typeMask: UInt32 = 0o170_000

    enum Flag {
        static let size: UInt32 = 0x0000_0001
        static let owner: UInt32 = 0x0000_0002
        static let permissions: UInt32 = 0x0000_0004
        static let times: UInt32 = 0x0000_0008
        static let extended: UInt32 = 0x8000_0000
    }
}

/// One entry of a NAME reply (draft-ietf-secsh-filexfer-02, section 7).
public struct SFTPName: Hashable, Sendable {
    /// The name, as bytes: it need not be UTF-8, and nothing promises that it holds no `/`.
    public var filename: [UInt8]
    /// A line like that of `ls -l`, in no fixed form.
    public var longname: [UInt8]
    /// What the server says of the file; links are not followed.
    public var attributes: SFTPAttributes

    /// Makes an entry.
    public init(filename: [UInt8], longname: [UInt8], attributes: SFTPAttributes) {
        self.filename = filename
        self.longname = longname
        self.attributes = attributes
    }

    /// What kind of thing it is: from the attributes, and only if those lack type bits from the first character of
    /// `longname`, for the servers that write it as `ls -l` does; nil when neither tells.
    public var kind: SFTPAttributes.Kind? {
        if let kind = attributes.kind { return kind }
        // A longname of another form could begin with any of these letters: a real one has the mode's nine
        // letters behind it.
        guard longname.count >= 10, longname[1..<10].allSatisfy(Self.modeLetters.contains) else { return nil }
        switch longname[0] {
        case UInt8(ascii: "-"): return .file
        case UInt8(ascii: "d"): return .directory
        case UInt8(ascii: "l"): return .symbolicLink
        case UInt8(ascii: "b"), UInt8(ascii: "c"), UInt8(ascii: "p"), UInt8(ascii: "s"): return .special
        default: return nil
        }
    }

    private static let modeLetters = Set("rwxsStT-".utf8)
}
