/// A packet that a server sent.
enum ServerPacket: Hashable, Sendable {
    /// The answer to INIT.
    case version(SFTPServerInfo)
    /// The answer to the request of that id.
    case reply(id: UInt32, Reply)

    /// What an answer holds (draft-ietf-secsh-filexfer-02, section 7).
    enum Reply: Hashable, Sendable {
        /// A status, with what the server says of it in its own words.
        case status(SFTPStatus, text: [UInt8])
        case handle([UInt8])
        case data([UInt8])
        case names([SFTPName])
        case attributes(SFTPAttributes)
        case extended([UInt8])

        /// The packet's name, for errors.
        var name: String {
            switch self {
            case .status(let status, _): "STATUS \(status)"
            case .handle: "HANDLE"
            case .data: "DATA"
            case .names: "NAME"
            case .attributes: "ATTRS"
            case .extended: "EXTENDED_REPLY"
            }
        }
    }

    /// Decodes a packet that lies whole in memory, from its type byte on.
    init(_ bytes: UnsafeRawBufferPointer) throws(SFTPError) {
        guard let type = bytes.first else { throw .violation("a packet without a type") }
        let body = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
        switch type {
        case PacketType.version: self = try Self.version(body)
        case PacketType.status: self = try Self.status(body)
        case PacketType.handle:
            var reader = PacketReader(body, packet: "HANDLE")
            let id = try reader.uint32()
            let handle = try reader.string(limitBytes: PacketLimit.handleBytes)
            try reader.finish()
            self = .reply(id: id, .handle(handle))
        case PacketType.data:
            var reader = PacketReader(body, packet: "DATA")
            let id = try reader.uint32()
            let data = try reader.string()
            try reader.finish()
            self = .reply(id: id, .data(data))
        case PacketType.name: self = try Self.names(body)
        case PacketType.attributes:
            var reader = PacketReader(body, packet: "ATTRS")
            let id = try reader.uint32()
            let attributes = try reader.attributes()
            try reader.finish()
            self = .reply(id: id, .attributes(attributes))
        case PacketType.extendedReply:
            var reader = PacketReader(body, packet: "EXTENDED_REPLY")
            let id = try reader.uint32()
            self = .reply(id: id, .extended(reader.rest()))
        default:
            throw .violation("a packet of type \(type), which no server sends")
        }
    }

    private static func version(_ body: UnsafeRawBufferPointer) throws(SFTPError) -> ServerPacket {
        var reader = PacketReader(body, packet: "VERSION")
        var info = SFTPServerInfo(version: try reader.uint32())
        while reader.remaining > 0 {
            let name = String(decoding: try reader.string(), as: UTF8.self)
            info.extensions[SFTPExtension(rawValue: name)] = try reader.string()
        }
        return .version(info)
    }

    private static func status(_ body: UnsafeRawBufferPointer) throws(SFTPError) -> ServerPacket {
        var reader = PacketReader(body, packet: "STATUS")
        let id = try reader.uint32()
        let status = SFTPStatus(rawValue: try reader.uint32())
        // Servers older than version 3 end here, and some end after the text.
        let text = reader.remaining > 0 ? try reader.string() : []
        if reader.remaining > 0 { _ = try reader.string() }
        try reader.finish()
        return .reply(id: id, .status(status, text: text))
    }

    private static func names(_ body: UnsafeRawBufferPointer) throws(SFTPError) -> ServerPacket {
        var reader = PacketReader(body, packet: "NAME")
        let id = try reader.uint32()
        let count = try reader.count(ofItemsOf: 12)
        var names: [SFTPName] = []
        names.reserveCapacity(count)
        for _ in 0..<count {
            names.append(
                SFTPName(
                    filename: try reader.string(), longname: try reader.string(), attributes: try reader.attributes())
            )
        }
        try reader.finish()
        return .reply(id: id, .names(names))
    }
}

extension SFTPLimits {
    /// Decodes the data of the reply to `limits@openssh.com` (OpenSSH's PROTOCOL file, section 4.8).
    init(decoding data: [UInt8]) throws(SFTPError) {
        self = try data.withRawBytes { (bytes) throws(SFTPError) in
            var reader = PacketReader(bytes, packet: "limits@openssh.com")
            let limits = SFTPLimits(
                packetBytes: try reader.uint64(), readBytes: try reader.uint64(), writeBytes: try reader.uint64(),
                openHandles: try reader.uint64())
            try reader.finish()
            return limits
        }
    }
}
