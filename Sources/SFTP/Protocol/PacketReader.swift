/// Reads the fields of one packet that lies whole in memory. Every read checks that the bytes are there; nothing is
/// believed that a length or count in the packet says beyond that.
struct PacketReader {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    private let packet: StaticString

    /// - Parameters:
    ///   - bytes: good for as long as the reader is used.
    ///   - packet: the packet's name, for errors.
    init(_ bytes: UnsafeRawBufferPointer, packet: StaticString) {
        self.bytes = bytes
        self.packet = packet
    }

    /// How many bytes have not been read.
    var remaining: Int { bytes.count - position }

    mutating func uint32() throws(SFTPError) -> UInt32 {
        let start = try advance(4)
        return UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt32.self))
    }

    mutating func uint64() throws(SFTPError) -> UInt64 {
        let start = try advance(8)
        return UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
    }

    /// Bytes with their length before them.
    mutating func string(limitBytes: Int = .max) throws(SFTPError) -> [UInt8] {
        let count = Int(try uint32())
        guard count <= limitBytes else { throw malformed("a string of \(count) bytes where \(limitBytes) are allowed") }
        let start = try advance(count)
        return [UInt8](UnsafeRawBufferPointer(rebasing: bytes[start..<(start + count)]))
    }

    /// How many things follow, each of at least `atLeastBytes`: more than the bytes can hold is an error.
    mutating func count(ofItemsOf atLeastBytes: Int) throws(SFTPError) -> Int {
        let count = Int(try uint32())
        guard count <= remaining / atLeastBytes else {
            throw malformed("it counts \(count) items in \(remaining) bytes")
        }
        return count
    }

    /// All that is left.
    mutating func rest() -> [UInt8] {
        defer { position = bytes.count }
        return [UInt8](UnsafeRawBufferPointer(rebasing: bytes[position...]))
    }

    mutating func attributes() throws(SFTPError) -> SFTPAttributes {
        typealias Flag = SFTPAttributes.Flag
        let flags = try uint32()
        var attributes = SFTPAttributes()
        if flags & Flag.size != 0 { attributes.sizeBytes = try uint64() }
        if flags & Flag.owner != 0 { attributes.owner = .init(userID: try uint32(), groupID: try uint32()) }
        if flags & Flag.permissions != 0 { attributes.permissions = try uint32() }
        if flags & Flag.times != 0 {
            attributes.times = .init(accessSeconds: try uint32(), modificationSeconds: try uint32())
        }
        if flags & Flag.extended != 0 {
            let count = try count(ofItemsOf: 8)
            attributes.extended.reserveCapacity(count)
            for _ in 0..<count { attributes.extended.append(.init(name: try string(), value: try string())) }
        }
        return attributes
    }

    /// Nothing may be left.
    func finish() throws(SFTPError) {
        guard remaining == 0 else { throw malformed("\(remaining) bytes too many") }
    }

    /// The error that says what is wrong with this packet.
    func malformed(_ what: String) -> SFTPError { .violation("a malformed \(packet) packet: \(what)") }

    private mutating func advance(_ count: Int) throws(SFTPError) -> Int {
        guard count <= remaining else { throw malformed("it ends too early") }
        defer { position += count }
        return position
    }
}

extension [UInt8] {
    /// `withUnsafeBytes` that passes the type of the error on.
    func withRawBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(SFTPError) -> Result
    ) throws(SFTPError) -> Result {
        try withUnsafeBufferPointer { (bytes) throws(SFTPError) in try body(UnsafeRawBufferPointer(bytes)) }
    }
}
