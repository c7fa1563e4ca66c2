import CLibSSH2
import Glibc

/// The memory of one libssh2 session: bounded, and wiped when it is given back.
///
/// libssh2 queues every packet that it does not expect, so that a hostile server could make it grow without end: past
/// `limitBytes` an allocation fails, and libssh2 ends the session.
///
/// Blocks are malloc's own, without a header of ours: libssh2 1.11.1 gives some of them back through libc's free
/// instead of its session's (in `gen_publickey_from_ec_evp`). Such a block stays counted; that is a few dozen bytes.
final class SessionMemory {
    /// What a session may hold. A receive window of 16 MiB and its bookkeeping fit in it twice.
    static let limitBytes = 48 * 1_048_576
    /// Blocks up to this size are wiped before they go back: keys, passwords and their derivations are smaller.
    private static let wipedBytes = 16_384

    /// What the session holds now.
    private(set) var heldBytes = 0

    /// A block, or nil when the limit or the machine's memory is reached.
    func allocate(_ sizeBytes: Int) -> UnsafeMutableRawPointer? {
        guard sizeBytes >= 0, sizeBytes <= Self.limitBytes - heldBytes, let block = malloc(sizeBytes) else {
            return nil
        }
        heldBytes += malloc_usable_size(block)
        return block
    }

    /// The block with another size, as realloc does it: on failure the old one stays.
    func reallocate(_ block: UnsafeMutableRawPointer?, _ sizeBytes: Int) -> UnsafeMutableRawPointer? {
        guard let block else { return allocate(sizeBytes) }
        guard let new = allocate(sizeBytes) else { return nil }
        new.copyMemory(from: block, byteCount: min(malloc_usable_size(block), sizeBytes))
        free(block)
        return new
    }

    /// Gives a block back; nil is fine.
    func free(_ block: UnsafeMutableRawPointer?) {
        guard let block else { return }
        let sizeBytes = malloc_usable_size(block)
        heldBytes -= sizeBytes
        if sizeBytes <= Self.wipedBytes { explicit_bzero(block, sizeBytes) }
        Glibc.free(block)
    }
}
