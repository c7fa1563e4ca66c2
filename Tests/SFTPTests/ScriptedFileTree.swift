@testable import SFTP

/// A request as a server sees it, decoded by code of its own.
struct ScriptedRequest: Sendable {
    var id: UInt32
    var type: UInt8
    /// The extension's name, of an EXTENDED.
    var name = ""
    var path: [UInt8] = []
    var target: [UInt8] = []
    var handle: [UInt8] = []
    var offset: UInt64 = 0
    var countBytes = 0
    var data: [UInt8] = []
    var flags: UInt32 = 0
    var attributes = SFTPAttributes()

    /// The request in words, for comparing orders: `READ 0+32768`, `LSTAT /a`.
    var words: String {
        switch type {
        case PacketType.open: "OPEN \(text(path))"
        case PacketType.close: "CLOSE"
        case PacketType.read: "READ \(offset)+\(countBytes)"
        case PacketType.write: "WRITE \(offset)+\(data.count)"
        case PacketType.lstat: "LSTAT \(text(path))"
        case PacketType.stat: "STAT \(text(path))"
        case PacketType.fstat: "FSTAT"
        case PacketType.setstat: "SETSTAT \(text(path))"
        case PacketType.fsetstat: "FSETSTAT"
        case PacketType.opendir: "OPENDIR \(text(path))"
        case PacketType.readdir: "READDIR"
        case PacketType.remove: "REMOVE \(text(path))"
        case PacketType.mkdir: "MKDIR \(text(path))"
        case PacketType.rmdir: "RMDIR \(text(path))"
        case PacketType.realpath: "REALPATH \(text(path))"
        case PacketType.rename: "RENAME \(text(path)) \(text(target))"
        case PacketType.readlink: "READLINK \(text(path))"
        case PacketType.symlink: "SYMLINK \(text(path)) \(text(target))"
        default: name + (target.isEmpty ? "" : " \(text(path)) \(text(target))")
        }
    }

    /// Decodes a packet from its type byte on.
    init(_ packet: [UInt8]) throws {
        var reader = Reader(bytes: packet[...])
        type = try reader.byte()
        id = try reader.uint32()
        switch type {
        case PacketType.open:
            path = try reader.string()
            flags = try reader.uint32()
            attributes = try reader.attributes()
        case PacketType.close, PacketType.fstat, PacketType.readdir: handle = try reader.string()
        case PacketType.read:
            handle = try reader.string()
            offset = try reader.uint64()
            countBytes = Int(try reader.uint32())
        case PacketType.write:
            handle = try reader.string()
            offset = try reader.uint64()
            data = try reader.string()
        case PacketType.setstat, PacketType.mkdir:
            path = try reader.string()
            attributes = try reader.attributes()
        case PacketType.fsetstat:
            handle = try reader.string()
            attributes = try reader.attributes()
        case PacketType.rename, PacketType.symlink:
            path = try reader.string()
            target = try reader.string()
        case PacketType.extended:
            name = String(decoding: try reader.string(), as: UTF8.self)
            if name == "posix-rename@openssh.com" {
                path = try reader.string()
                target = try reader.string()
            } else if name == "fsync@openssh.com" {
                handle = try reader.string()
            }
        default: path = try reader.string()
        }
        guard reader.bytes.isEmpty else { throw ScriptFailure("\(reader.bytes.count) bytes behind a request") }
    }

    private struct Reader {
        var bytes: ArraySlice<UInt8>

        mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
            guard bytes.count >= count else { throw ScriptFailure("a request that ends too early") }
            defer { bytes = bytes.dropFirst(count) }
            return bytes.prefix(count)
        }

        mutating func byte() throws -> UInt8 { try take(1).reduce(0) { $0 | $1 } }
        mutating func uint32() throws -> UInt32 { try take(4).reduce(0) { $0 << 8 | UInt32($1) } }
        mutating func uint64() throws -> UInt64 { try take(8).reduce(0) { $0 << 8 | UInt64($1) } }
        mutating func string() throws -> [UInt8] { Array(try take(Int(try uint32()))) }

        mutating func attributes() throws -> SFTPAttributes {
            let flags = try uint32()
            var result = SFTPAttributes()
            if flags & 1 != 0 { result.sizeBytes = try uint64() }
            if flags & 2 != 0 { result.owner = .init(userID: try uint32(), groupID: try uint32()) }
            if flags & 4 != 0 { result.permissions = try uint32() }
            if flags & 8 != 0 {
                result.times = .init(accessSeconds: try uint32(), modificationSeconds: try uint32())
            }
            return result
        }
    }
}

/// A script that was not followed.
struct ScriptFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// The text of bytes that are UTF-8.
func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// The bytes of a text.
func path(_ text: String) -> [UInt8] { Array(text.utf8) }

/// A tree of files in memory that answers requests as OpenSSH does.
struct ScriptedFileTree: Sendable {
    struct Node: Sendable {
        var content: [UInt8] = []
        var isDirectory = false
        var modified: UInt32 = 1_700_000_000

        var attributes: SFTPAttributes {
            SFTPAttributes(
                sizeBytes: UInt64(content.count), owner: .init(userID: 1, groupID: 1),
                permissions: isDirectory ? 0o040_755 : 0o100_644,
                times: .init(accessSeconds: modified, modificationSeconds: modified))
        }
    }

    private enum Open {
        case file([UInt8])
        case directory([[[UInt8]]])
    }

    var nodes: [[UInt8]: Node] = [[0x2F]: Node(isDirectory: true)]
    /// How many names one READDIR gives.
    var namesPerReaddir = 100
    /// The most one READ gives.
    var readBytes = 255 << 10
    /// Answered to limits@openssh.com.
    var limits = SFTPLimits(packetBytes: 256 << 10, readBytes: 255 << 10, writeBytes: 255 << 10, openHandles: 100)

    private var open: [[UInt8]: Open] = [:]
    private var nextHandle: UInt8 = 0

    /// How many files and directories are open.
    var openCount: Int { open.count }

    /// The answer to a request, as a packet from its type byte on.
    mutating func answer(_ request: ScriptedRequest) -> [UInt8] {
        switch request.type {
        case PacketType.open: return openFile(request)
        case PacketType.opendir: return openDirectory(request)
        case PacketType.close:
            return Self.status(open.removeValue(forKey: request.handle) == nil ? .failure : .ok, request)
        case PacketType.read, PacketType.write, PacketType.fstat, PacketType.fsetstat: return onFile(request)
        case PacketType.readdir: return readDirectory(request)
        case PacketType.lstat, PacketType.stat:
            guard let node = nodes[request.path] else { return Self.status(.noSuchFile, request) }
            return Self.attributes(node.attributes, request)
        case PacketType.setstat:
            guard nodes[request.path] != nil else { return Self.status(.noSuchFile, request) }
            if let times = request.attributes.times { nodes[request.path]?.modified = times.modificationSeconds }
            return Self.status(.ok, request)
        case PacketType.remove, PacketType.rmdir:
            return Self.status(nodes.removeValue(forKey: request.path) == nil ? .noSuchFile : .ok, request)
        case PacketType.mkdir:
            guard nodes[request.path] == nil else { return Self.status(.failure, request) }
            nodes[request.path] = Node(isDirectory: true)
            return Self.status(.ok, request)
        case PacketType.realpath: return Self.names([(request.path.isEmpty ? [0x2F] : request.path, Node())], request)
        case PacketType.rename:
            guard nodes[request.target] == nil else { return Self.status(.failure, request) }
            return rename(request)
        case PacketType.extended where request.name == "posix-rename@openssh.com": return rename(request)
        case PacketType.extended where request.name == "fsync@openssh.com": return Self.status(.ok, request)
        case PacketType.extended where request.name == "limits@openssh.com":
            var packet = [PacketType.extendedReply]
            packet.appendUInt32(request.id)
            for value in [limits.packetBytes, limits.readBytes, limits.writeBytes, limits.openHandles] {
                packet.appendUInt64(value)
            }
            return packet
        default: return Self.status(.operationUnsupported, request)
        }
    }

    private mutating func rename(_ request: ScriptedRequest) -> [UInt8] {
        guard let node = nodes.removeValue(forKey: request.path) else { return Self.status(.noSuchFile, request) }
        nodes[request.target] = node
        return Self.status(.ok, request)
    }

    private mutating func openFile(_ request: ScriptedRequest) -> [UInt8] {
        let flags = SFTPOpenFlags(rawValue: request.flags)
        if nodes[request.path] != nil && flags.contains(.exclusive) { return Self.status(.failure, request) }
        if nodes[request.path] == nil || flags.contains(.truncate) {
            guard flags.contains(.create) else { return Self.status(.noSuchFile, request) }
            nodes[request.path] = Node()
        }
        return handle(.file(request.path), request)
    }

    private mutating func openDirectory(_ request: ScriptedRequest) -> [UInt8] {
        guard nodes[request.path]?.isDirectory == true else { return Self.status(.noSuchFile, request) }
        let prefix = request.path == [0x2F] ? [0x2F] : request.path + [0x2F]
        let names = nodes.keys.filter { $0.starts(with: prefix) && $0.count > prefix.count }
            .map { Array($0.dropFirst(prefix.count)) }.filter { !$0.contains(0x2F) }
            .sorted { $0.lexicographicallyPrecedes($1) }
        let batches = stride(from: 0, to: names.count, by: namesPerReaddir)
            .map { Array(names[$0..<min($0 + namesPerReaddir, names.count)]) }
        return handle(.directory(batches.map { $0.map { prefix + $0 } }), request)
    }

    private mutating func handle(_ opened: Open, _ request: ScriptedRequest) -> [UInt8] {
        nextHandle += 1
        open[[nextHandle]] = opened
        var packet = [PacketType.handle]
        packet.appendUInt32(request.id)
        packet.appendString([nextHandle])
        return packet
    }

    private mutating func readDirectory(_ request: ScriptedRequest) -> [UInt8] {
        guard case .directory(var batches) = open[request.handle] else { return Self.status(.failure, request) }
        guard !batches.isEmpty else { return Self.status(.endOfFile, request) }
        let batch = batches.removeFirst()
        open[request.handle] = .directory(batches)
        let entries = batch.map { path in
            (Array(path[((path.lastIndex(of: 0x2F) ?? -1) + 1)...]), nodes[path] ?? Node())
        }
        return Self.names(entries, request)
    }

    private mutating func onFile(_ request: ScriptedRequest) -> [UInt8] {
        guard case .file(let path) = open[request.handle], let node = nodes[path] else {
            return Self.status(.failure, request)
        }
        switch request.type {
        case PacketType.read:
            guard request.offset < node.content.count else { return Self.status(.endOfFile, request) }
            let start = Int(request.offset)
            let end = min(node.content.count, start + min(request.countBytes, readBytes))
            var packet = [PacketType.data]
            packet.appendUInt32(request.id)
            packet.appendString(Array(node.content[start..<end]))
            return packet
        case PacketType.write:
            let end = Int(request.offset) + request.data.count
            if end > node.content.count {
                nodes[path]?.content.append(contentsOf: [UInt8](repeating: 0, count: end - node.content.count))
            }
            nodes[path]?.content.replaceSubrange(Int(request.offset)..<end, with: request.data)
            return Self.status(.ok, request)
        case PacketType.fsetstat:
            if let times = request.attributes.times { nodes[path]?.modified = times.modificationSeconds }
            return Self.status(.ok, request)
        default: return Self.attributes(node.attributes, request)
        }
    }

    static func status(_ status: SFTPStatus, _ request: ScriptedRequest) -> [UInt8] {
        var packet = [PacketType.status]
        packet.appendUInt32(request.id)
        packet.appendUInt32(status.rawValue)
        packet.appendString(Array("said \u{1B}[1m by the script".utf8))
        packet.appendString([])
        return packet
    }

    private static func attributes(_ attributes: SFTPAttributes, _ request: ScriptedRequest) -> [UInt8] {
        var packet = [PacketType.attributes]
        packet.appendUInt32(request.id)
        packet.appendAttributes(attributes)
        return packet
    }

    private static func names(_ entries: [([UInt8], Node)], _ request: ScriptedRequest) -> [UInt8] {
        var packet = [PacketType.name]
        packet.appendUInt32(request.id)
        packet.appendUInt32(UInt32(entries.count))
        for (name, node) in entries {
            packet.appendString(name)
            packet.appendString([])
            packet.appendAttributes(node.attributes)
        }
        return packet
    }
}
