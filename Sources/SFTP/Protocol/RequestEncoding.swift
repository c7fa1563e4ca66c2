/// Requests as bytes (draft-ietf-secsh-filexfer-02, sections 3 to 6): length, type, request id, fields; all numbers
/// big-endian, strings with their length before them.
extension SFTPRequest {
    /// Appends the packet that carries it.
    func append(to output: inout [UInt8], id: UInt32) {
        let start = output.beginPacket(type, id: id)
        switch self {
        case .open(let path, let flags, let attributes):
            output.appendString(path)
            output.appendUInt32(flags.rawValue)
            output.appendAttributes(attributes)
        case .close(let handle), .fstat(let handle), .readdir(let handle):
            output.appendString(handle.bytes)
        case .read(let handle, let offset, let countBytes):
            output.appendString(handle.bytes)
            output.appendUInt64(offset)
            output.appendUInt32(UInt32(Self.askedBytes(countBytes)))
        case .write(let handle, let offset, let data):
            output.appendString(handle.bytes)
            output.appendUInt64(offset)
            output.appendString(data)
        case .lstat(let path), .stat(let path), .opendir(let path), .remove(let path), .rmdir(let path),
            .realpath(let path), .readlink(let path):
            output.appendString(path)
        case .setstat(let path, let attributes), .mkdir(let path, let attributes):
            output.appendString(path)
            output.appendAttributes(attributes)
        case .fsetstat(let handle, let attributes):
            output.appendString(handle.bytes)
            output.appendAttributes(attributes)
        case .rename(let path, let target):
            output.appendString(path)
            output.appendString(target)
        case .symlink(let path, let target):
            output.appendString(target)
            output.appendString(path)
        case .posixRename(let path, let target):
            output.appendString(SFTPExtension.posixRename)
            output.appendString(path)
            output.appendString(target)
        case .fsync(let handle):
            output.appendString(SFTPExtension.fsync)
            output.appendString(handle.bytes)
        case .limits:
            output.appendString(SFTPExtension.limits)
        case .extended(let name, let data):
            output.appendString(name)
            output.append(contentsOf: data)
        }
        output.endPacket(start)
    }

    /// Appends a WRITE whose data stands in several pieces, each copied once.
    static func appendWrite(
        to output: inout [UInt8], id: UInt32, handle: SFTPHandle, offset: UInt64, pieces: [ArraySlice<UInt8>]
    ) {
        let start = output.beginPacket(PacketType.write, id: id)
        output.appendString(handle.bytes)
        output.appendUInt64(offset)
        output.appendUInt32(UInt32(pieces.reduce(0) { $0 + $1.count }))
        for piece in pieces { output.append(contentsOf: piece) }
        output.endPacket(start)
    }

    /// Appends the INIT packet, the only one without a request id.
    static func appendInitialize(to output: inout [UInt8]) {
        output.appendUInt32(5)
        output.append(PacketType.initialize)
        output.appendUInt32(PacketLimit.protocolVersion)
    }

    /// How much a READ really asks for: a larger answer would not fit in a packet that is believed.
    static func askedBytes(_ countBytes: Int) -> Int { max(0, min(countBytes, PacketLimit.transferBytes)) }

    /// The whole packet's size, its length field included.
    var encodedSizeBytes: Int {
        let head = 9
        let string = { (bytes: [UInt8]) in 4 + bytes.count }
        switch self {
        case .open(let path, _, let attributes): return head + string(path) + 4 + attributes.encodedSizeBytes
        case .close(let handle), .fstat(let handle), .readdir(let handle): return head + string(handle.bytes)
        case .read(let handle, _, _): return head + string(handle.bytes) + 12
        case .write(let handle, _, let data): return head + string(handle.bytes) + 8 + string(data)
        case .lstat(let path), .stat(let path), .opendir(let path), .remove(let path), .rmdir(let path),
            .realpath(let path), .readlink(let path):
            return head + string(path)
        case .setstat(let path, let attributes), .mkdir(let path, let attributes):
            return head + string(path) + attributes.encodedSizeBytes
        case .fsetstat(let handle, let attributes): return head + string(handle.bytes) + attributes.encodedSizeBytes
        case .rename(let path, let target), .symlink(let path, let target): return head + string(path) + string(target)
        case .posixRename(let path, let target):
            return head + 4 + SFTPExtension.posixRename.rawValue.utf8.count + string(path) + string(target)
        case .fsync(let handle): return head + 4 + SFTPExtension.fsync.rawValue.utf8.count + string(handle.bytes)
        case .limits: return head + 4 + SFTPExtension.limits.rawValue.utf8.count
        case .extended(let name, let data): return head + 4 + name.rawValue.utf8.count + data.count
        }
    }

    private var type: UInt8 {
        switch self {
        case .open: PacketType.open
        case .close: PacketType.close
        case .read: PacketType.read
        case .write: PacketType.write
        case .lstat: PacketType.lstat
        case .stat: PacketType.stat
        case .fstat: PacketType.fstat
        case .setstat: PacketType.setstat
        case .fsetstat: PacketType.fsetstat
        case .opendir: PacketType.opendir
        case .readdir: PacketType.readdir
        case .remove: PacketType.remove
        case .mkdir: PacketType.mkdir
        case .rmdir: PacketType.rmdir
        case .realpath: PacketType.realpath
        case .rename: PacketType.rename
        case .readlink: PacketType.readlink
        case .symlink: PacketType.symlink
        case .posixRename, .fsync, .limits, .extended: PacketType.extended
        }
    }
}

extension SFTPAttributes {
    /// The size of its fields in a packet.
    var encodedSizeBytes: Int {
        var size = 4
        if sizeBytes != nil { size += 8 }
        if owner != nil { size += 8 }
        if permissions != nil { size += 4 }
        if times != nil { size += 8 }
        if !extended.isEmpty { size += extended.reduce(4) { $0 + 8 + $1.name.count + $1.value.count } }
        return size
    }
}

extension [UInt8] {
    /// Appends a big-endian number.
    mutating func appendUInt32(_ value: UInt32) {
        append(UInt8(truncatingIfNeeded: value >> 24))
        append(UInt8(truncatingIfNeeded: value >> 16))
        append(UInt8(truncatingIfNeeded: value >> 8))
        append(UInt8(truncatingIfNeeded: value))
    }

    /// Appends a big-endian number.
    mutating func appendUInt64(_ value: UInt64) {
        appendUInt32(UInt32(truncatingIfNeeded: value >> 32))
        appendUInt32(UInt32(truncatingIfNeeded: value))
    }

    /// Appends bytes with their length before them.
    mutating func appendString(_ bytes: [UInt8]) {
        appendUInt32(UInt32(bytes.count))
        append(contentsOf: bytes)
    }

    mutating func appendAttributes(_ attributes: SFTPAttributes) {
        var flags: UInt32 = 0
        if attributes.sizeBytes != nil { flags |= SFTPAttributes.Flag.size }
        if attributes.owner != nil { flags |= SFTPAttributes.Flag.owner }
        if attributes.permissions != nil { flags |= SFTPAttributes.Flag.permissions }
        if attributes.times != nil { flags |= SFTPAttributes.Flag.times }
        if !attributes.extended.isEmpty { flags |= SFTPAttributes.Flag.extended }
        appendUInt32(flags)
        if let sizeBytes = attributes.sizeBytes { appendUInt64(sizeBytes) }
        if let owner = attributes.owner {
            appendUInt32(owner.userID)
            appendUInt32(owner.groupID)
        }
        if let permissions = attributes.permissions { appendUInt32(permissions) }
        if let times = attributes.times {
            appendUInt32(times.accessSeconds)
            appendUInt32(times.modificationSeconds)
        }
        guard !attributes.extended.isEmpty else { return }
        appendUInt32(UInt32(attributes.extended.count))
        for pair in attributes.extended {
            appendString(pair.name)
            appendString(pair.value)
        }
    }

    fileprivate mutating func appendString(_ name: SFTPExtension) {
        appendUInt32(UInt32(name.rawValue.utf8.count))
        append(contentsOf: name.rawValue.utf8)
    }

    /// Begins a packet, its length still open, and returns where it stands.
    fileprivate mutating func beginPacket(_ type: UInt8, id: UInt32) -> Int {
        let start = count
        appendUInt32(0)
        append(type)
        appendUInt32(id)
        return start
    }

    /// Fills in the length of the packet that stands at `start` and reaches to the end.
    fileprivate mutating func endPacket(_ start: Int) {
        let length = UInt32(count - start - 4)
        for index in 0..<4 { self[start + index] = UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * index)) }
    }
}
