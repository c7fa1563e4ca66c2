/// An extension by the name that a server offers it with.
public struct SFTPExtension: RawRepresentable, Hashable, Sendable {
    /// `name@domain`.
    public let rawValue: String

    /// Makes an extension from its name.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// RENAME that replaces an existing file in one step (OpenSSH's PROTOCOL file, section 4.3).
    public static let posixRename = SFTPExtension(rawValue: "posix-rename@openssh.com")
    /// Writing a file through to the disk (section 4.6).
    public static let fsync = SFTPExtension(rawValue: "fsync@openssh.com")
    /// The sizes the server works with (section 4.8).
    public static let limits = SFTPExtension(rawValue: "limits@openssh.com")
}

/// What a server said of itself in its VERSION packet.
public struct SFTPServerInfo: Hashable, Sendable {
    /// The protocol version; 3 on every connection that stands.
    public var version: UInt32
    /// The extensions it offers, with their data as it stands in the packet: mostly a revision such as `1`.
    public var extensions: [SFTPExtension: [UInt8]]

    /// Makes what a server says.
    public init(version: UInt32, extensions: [SFTPExtension: [UInt8]] = [:]) {
        self.version = version
        self.extensions = extensions
    }

    /// Whether it offers the extension in revision 1, the only one there is of those named here.
    public func supports(_ name: SFTPExtension) -> Bool { extensions[name] == [UInt8(ascii: "1")] }
}

/// The answer to `limits@openssh.com`: the largest sizes the server takes. 0 means that it does not say.
public struct SFTPLimits: Hashable, Sendable {
    /// The longest packet.
    public var packetBytes: UInt64
    /// The most that one READ gives.
    public var readBytes: UInt64
    /// The most that one WRITE takes.
    public var writeBytes: UInt64
    /// How many files and directories may be open at once.
    public var openHandles: UInt64

    /// Makes limits.
    public init(packetBytes: UInt64, readBytes: UInt64, writeBytes: UInt64, openHandles: UInt64) {
        self.packetBytes = packetBytes
        self.readBytes = readBytes
        self.writeBytes = writeBytes
        self.openHandles = openHandles
    }

    /// How much is asked for in one READ: what the server says, at most 255 KiB; 32 KiB when it says nothing.
    var usedReadBytes: Int { used(readBytes, packetHeadBytes: 13, atMost: PacketLimit.transferBytes) }

    /// How much is put in one WRITE: what the server says, at most 255 KiB; 32 KiB when it says nothing. Each WRITE has
    /// an answer, and a call of the server to its disk: the fewer, the less both sides have to do.
    var usedWriteBytes: Int {
        used(writeBytes, packetHeadBytes: 25 + UInt64(PacketLimit.handleBytes), atMost: PacketLimit.transferBytes)
    }

    private func used(_ said: UInt64, packetHeadBytes: UInt64, atMost most: Int) -> Int {
        var bytes = said == 0 ? UInt64(PacketLimit.safeTransferBytes) : said
        if packetBytes > packetHeadBytes { bytes = min(bytes, packetBytes - packetHeadBytes) }
        return Int(min(bytes, UInt64(most)))
    }
}
