import Glibc

/// The memory of one libssh2 session: bounded, wiped when it is given back, and given back whole at the end.
///
/// libssh2 queues every packet that it does not expect, so that a hostile server could make it grow without end: past
/// `limitBytes` an allocation fails, and libssh2 ends the session. It also loses blocks when a handshake breaks off in
/// the middle: `freeAll` finds them.
final class SessionMemory {
    /// What a session may hold. A receive window of 16 MiB and its bookkeeping fit in it twice.
    static let limitBytes = 48 * 1_048_576
    /// Blocks up to this size are wiped before they go back: keys, passwords and their derivations are smaller.
    private static let wipedBytes = 16_384

    /// Stands before each block, and links it to its neighbours.
    private struct Header {
        var previous: UnsafeMutablePointer<Header>?
        var next: UnsafeMutablePointer<Header>?
        var sizeBytes: Int
    }
    /// A multiple of 16, so that a block is aligned as malloc aligns it.
    private static let headerBytes = (MemoryLayout<Header>.size + 15) / 16 * 16

    private var first: UnsafeMutablePointer<Header>?
    /// What the session holds now, headers not counted.
    private(set) var heldBytes = 0

    /// A block, or nil when the limit or the machine's memory is reached.
    func allocate(_ sizeBytes: Int) -> UnsafeMutableRawPointer? {
        guard sizeBytes >= 0, sizeBytes <= Self.limitBytes - heldBytes, let raw = malloc(Self.headerBytes + sizeBytes)
        else { return nil }
        let header = raw.bindMemory(to: Header.self, capacity: 1)
        header.initialize(to: Header(previous: nil, next: first, sizeBytes: sizeBytes))
        first?.pointee.previous = header
        first = header
        heldBytes += sizeBytes
        return raw + Self.headerBytes
    }

    /// The block with another size, as realloc does it: on failure the old one stays.
    func reallocate(_ block: UnsafeMutableRawPointer?, _ sizeBytes: Int) -> UnsafeMutableRawPointer? {
        guard let block else { return allocate(sizeBytes) }
        guard let new = allocate(sizeBytes) else { return nil }
        let oldSizeBytes = (block - Self.headerBytes).assumingMemoryBound(to: Header.self).pointee.sizeBytes
        new.copyMemory(from: block, byteCount: min(oldSizeBytes, sizeBytes))
        free(block)
        return new
    }

    /// Gives a block back; nil is fine.
    func free(_ block: UnsafeMutableRawPointer?) {
        guard let block else { return }
        let header = (block - Self.headerBytes).assumingMemoryBound(to: Header.self)
        let (previous, next, sizeBytes) = (header.pointee.previous, header.pointee.next, header.pointee.sizeBytes)
        if let previous { previous.pointee.next = next } else { first = next }
        next?.pointee.previous = previous
        heldBytes -= sizeBytes
        if sizeBytes <= Self.wipedBytes { explicit_bzero(block, sizeBytes) }
        Glibc.free(header)
    }

    /// Gives back every block that is left. The session must not be used any more.
    func freeAll() {
        while let header = first { free(UnsafeMutableRawPointer(header) + Self.headerBytes) }
    }

    deinit { freeAll() }
}
