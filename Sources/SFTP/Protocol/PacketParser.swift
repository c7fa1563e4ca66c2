/// Cuts the stream of bytes that a server sends into packets, however it is divided.
///
/// A packet that arrives whole is decoded where it lies. The payload of a DATA packet goes straight into the array
/// that the reader of the file gets, so it is copied once. Only what is left of another packet waits here; so no more
/// than one packet is ever held, and none is longer than `PacketLimit.receivedBytes`.
struct PacketParser: Sendable {
    /// What has arrived of a packet that is not whole.
    private var waiting: [UInt8] = []
    /// The DATA packet whose payload is arriving.
    private var payload: Payload?
    /// Whether any packet was whole: before that, a wrong length is text of a login shell rather than a bad packet.
    private var hasPacket = false

    private struct Payload {
        let id: UInt32
        var bytes: [UInt8]
        var missing: Int
    }

    /// The length field, the type, the request id and the length of the payload of a DATA packet.
    private static let dataHeadBytes = 13

    /// Takes what arrived, and hands over each packet that is whole by it.
    /// - Throws: for a packet that is malformed or too long, and what `take` throws. The parser is then of no more use.
    mutating func consume(
        _ bytes: UnsafeRawBufferPointer, _ take: (ServerPacket) throws(SFTPError) -> Void
    ) throws(SFTPError) {
        var rest = bytes
        while !rest.isEmpty {
            if payload != nil {
                if let packet = fillPayload(&rest) { try take(packet) }
            } else if waiting.isEmpty, rest.count >= 4, rest.count >= 4 + (try Self.length(rest, hasPacket)) {
                let end = 4 + (try Self.length(rest, hasPacket))
                let packet = try ServerPacket(UnsafeRawBufferPointer(rebasing: rest[4..<end]))
                rest = UnsafeRawBufferPointer(rebasing: rest[end...])
                hasPacket = true
                try take(packet)
            } else if let packet = try gather(&rest) {
                hasPacket = true
                try take(packet)
            }
        }
    }

    /// Moves arriving bytes into the payload; the packet, when that makes it whole.
    private mutating func fillPayload(_ rest: inout UnsafeRawBufferPointer) -> ServerPacket? {
        guard let missing = payload?.missing else { return nil }
        let count = min(missing, rest.count)
        payload?.bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: rest.prefix(count)))
        payload?.missing -= count
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        guard let whole = payload, whole.missing == 0 else { return nil }
        payload = nil
        hasPacket = true
        return .reply(id: whole.id, .data(whole.bytes))
    }

    /// Moves as many arriving bytes as the next decision needs to those that wait; the packet, when it is whole.
    private mutating func gather(_ rest: inout UnsafeRawBufferPointer) throws(SFTPError) -> ServerPacket? {
        let needed = try neededBytes()
        let count = min(needed - waiting.count, rest.count)
        waiting.append(contentsOf: UnsafeRawBufferPointer(rebasing: rest.prefix(count)))
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        guard waiting.count == needed, try neededBytes() == needed else { return nil }

        defer { waiting.removeAll(keepingCapacity: true) }
        let length = try waiting.withRawBytes { (bytes) throws(SFTPError) in try Self.length(bytes, hasPacket) }
        if waiting.count == 4 + length {
            return try waiting.withRawBytes { (bytes) throws(SFTPError) in
                try ServerPacket(UnsafeRawBufferPointer(rebasing: bytes.dropFirst(4)))
            }
        }
        payload = try waiting.withRawBytes { (bytes) throws(SFTPError) in
            var reader = PacketReader(UnsafeRawBufferPointer(rebasing: bytes.dropFirst(5)), packet: "DATA")
            let id = try reader.uint32()
            let size = Int(try reader.uint32())
            guard size == 4 + length - Self.dataHeadBytes else {
                throw reader.malformed("\(size) bytes of data in a packet of \(length)")
            }
            var bytes: [UInt8] = []
            bytes.reserveCapacity(size)
            return Payload(id: id, bytes: bytes, missing: size)
        }
        return nil
    }

    /// How many bytes must be waiting for the next decision: the length; the type; all of the packet, or of a DATA
    /// packet that has a payload only its head.
    private func neededBytes() throws(SFTPError) -> Int {
        guard waiting.count >= 4 else { return 4 }
        let length = try waiting.withRawBytes { (bytes) throws(SFTPError) in try Self.length(bytes, hasPacket) }
        guard waiting.count >= 5 else { return 5 }
        return waiting[4] == PacketType.data ? min(Self.dataHeadBytes, 4 + length) : 4 + length
    }

    /// The length of the packet that begins here, without the length field itself.
    private static func length(_ bytes: UnsafeRawBufferPointer, _ hasPacket: Bool) throws(SFTPError) -> Int {
        let length = Int(UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)))
        if length >= 1 && length <= PacketLimit.receivedBytes { return length }
        guard !hasPacket else { throw .violation("a packet of \(length) bytes") }
        throw .violation(
            "it begins with \"\(printableText(bytes, limitBytes: 64))\" instead of a packet; "
                + "perhaps a start-up file of the login shell prints something")
    }
}
