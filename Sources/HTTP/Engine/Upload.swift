/// The request body as libcurl's read callback sees it. Lives on the I/O thread.
protocol Upload: AnyObject {
    /// Copies the next bytes into `buffer`.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> UploadProgress

    /// Goes to a place in the body, because libcurl sends it again on another connection. False when it cannot.
    func seek(to offsetBytes: UInt64) -> Bool
}

/// What a read of the request body gave.
enum UploadProgress {
    /// So many bytes; 0 at the end.
    case bytes(Int)
    /// None yet: the transfer pauses.
    case nothingYet
    /// There will be none.
    case failure(HTTPError)
}

/// A body in memory. The pieces are shared with the request, not copied.
final class BufferedUpload: Upload {
    private let pieces: [[UInt8]]
    private var piece = 0
    private var offset = 0

    init(_ pieces: [[UInt8]]) { self.pieces = pieces }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> UploadProgress {
        var filled = 0
        while filled < buffer.count, piece < pieces.count {
            filled += copy(pieces[piece], from: &offset, into: buffer, at: filled)
            if offset == pieces[piece].count { (piece, offset) = (piece + 1, 0) }
        }
        return .bytes(filled)
    }

    func seek(to offsetBytes: UInt64) -> Bool {
        var rest = offsetBytes
        for (index, bytes) in pieces.enumerated() {
            guard rest >= UInt64(bytes.count) else {
                (piece, offset) = (index, Int(rest))
                return true
            }
            rest -= UInt64(bytes.count)
        }
        (piece, offset) = (pieces.count, 0)
        return rest == 0
    }
}

/// A body that is asked for while it is sent. It cannot go back once bytes have been taken.
final class StreamedUpload: Upload {
    private let pump: SourcePump
    private var current: [UInt8] = []
    private var offset = 0
    private var takenBytes: UInt64 = 0

    init(_ pump: SourcePump) { self.pump = pump }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> UploadProgress {
        var filled = 0
        while filled < buffer.count {
            if offset == current.count {
                switch pump.take() {
                case .piece(let piece): (current, offset) = (piece, 0)
                case .failure(let error): return .failure(error)
                case .nothing:
                    (current, offset) = ([], 0)
                    return filled > 0 ? .bytes(filled) : .nothingYet
                }
            }
            let count = copy(current, from: &offset, into: buffer, at: filled)
            filled += count
            takenBytes += UInt64(count)
        }
        return .bytes(filled)
    }

    func seek(to offsetBytes: UInt64) -> Bool { offsetBytes == takenBytes }
}

/// Copies as much of `bytes` as fits, moves `offset` behind it, and returns how much that was.
private func copy(
    _ bytes: [UInt8], from offset: inout Int, into buffer: UnsafeMutableRawBufferPointer, at start: Int
) -> Int {
    let count = min(bytes.count - offset, buffer.count - start)
    bytes.withUnsafeBytes { source in
        let part = UnsafeRawBufferPointer(rebasing: source[offset..<(offset + count)])
        UnsafeMutableRawBufferPointer(rebasing: buffer[start..<(start + count)]).copyMemory(from: part)
    }
    offset += count
    return count
}
