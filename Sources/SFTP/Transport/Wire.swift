import CLibSSH2
import Glibc

/// The bytes between libssh2 and the socket.
///
/// libssh2 never touches the socket: what it sends is appended to a queue of ours, whole, and what it receives comes
/// from a buffer of ours. A half-sent packet, which only a repeat of the very call that began it could finish, so
/// cannot come about; that is what makes key re-exchange safe while both directions are busy.
final class Wire {
    /// No channel data is written while this much waits for the socket: so much that a call of send is worth it, and so
    /// little that what was just ciphered is still in the processor's cache when the kernel copies it. Where the rate is
    /// limited it is less: what is asked next waits behind it.
    let outgoingTargetBytes: Int
    private static let mostOutgoingTargetBytes = 256 * 1_024
    private static let leastOutgoingTargetBytes = 32 * 1_024
    /// Past this libssh2's own answers have piled up: the server asks and does not read.
    private static let outgoingLimitBytes = 4 * 1_048_576
    /// One recv call.
    private static let incomingBytes = 256 * 1_024
    /// What is kept of the server's first words, for the message when they are not SSH, or offer nothing that is safe.
    private static let openingBytes = 16 * 1_024
    /// What is kept of the server's last words.
    private static let farewellBytes = 256

    private let descriptor: Int32
    private var outgoing = ByteQueue()
    private let incoming: UnsafeMutableRawBufferPointer
    private var incomingStart = 0
    private var incomingEnd = 0
    /// What may pass each way; nil where nothing limits it.
    private var sending: TokenBucket?
    private var receiving: TokenBucket?
    private let now: () -> ContinuousClock.Instant

    /// Bytes that libssh2 has taken from us: shows whether a call of it made progress.
    private(set) var takenBytes = 0
    /// Bytes that libssh2 has given us to send.
    private(set) var givenBytes = 0
    /// Bytes that came from the server.
    private(set) var receivedBytes = 0
    /// The server's first bytes: what it says in the clear.
    private(set) var opening: [UInt8] = []
    /// What the server said in its SSH_MSG_DISCONNECT.
    private(set) var farewell: String?
    /// The server has closed the connection, or it broke: nothing more will come.
    private(set) var isEnded = false
    /// Why it broke; nil when the server closed it in order.
    private(set) var brokenBy: String?
    /// The server made us queue more answers than `outgoingLimitBytes`.
    private(set) var isOverrun = false
    /// The session is being taken down: what libssh2 still sends is dropped, and it receives nothing but the end.
    var isDetached = false

    /// - Parameters:
    ///   - maximumBytesPerSecond: how much may pass each way; nil for whatever the line carries.
    ///   - now: the clock of that limit.
    init(
        descriptor: Int32, maximumBytesPerSecond: Int? = nil,
        now: @escaping () -> ContinuousClock.Instant = { ContinuousClock.now }
    ) {
        self.descriptor = descriptor
        self.now = now
        let bucket = maximumBytesPerSecond.map { TokenBucket(bytesPerSecond: $0, at: now()) }
        (sending, receiving) = (bucket, bucket)
        outgoingTargetBytes = min(
            Self.mostOutgoingTargetBytes,
            max(Self.leastOutgoingTargetBytes, bucket?.capacityBytes ?? Self.mostOutgoingTargetBytes))
        incoming = .allocate(byteCount: Self.incomingBytes, alignment: 16)
    }

    deinit { incoming.deallocate() }

    /// How many bytes wait for the socket.
    var outgoingBytes: Int { outgoing.count }

    /// Whether bytes from the server wait for libssh2.
    var hasIncoming: Bool { incomingStart < incomingEnd }

    // MARK: libssh2's side

    /// Takes all of it, or refuses for good.
    func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        if isDetached || isEnded { return bytes.count }
        guard outgoing.count + bytes.count <= Self.outgoingLimitBytes else {
            isOverrun = true
            return -Int(ENOBUFS)
        }
        outgoing.storage.append(contentsOf: bytes)
        givenBytes += bytes.count
        return bytes.count
    }

    /// Gives what is there; 0 is the end, and a negative value says to come again.
    func receive(into target: UnsafeMutableRawBufferPointer) -> Int {
        if isDetached { return 0 }
        guard hasIncoming else { return isEnded ? 0 : -Int(EAGAIN) }
        let count = min(target.count, incomingEnd - incomingStart)
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: incoming[incomingStart..<incomingStart + count]))
        incomingStart += count
        takenBytes += count
        return count
    }

    /// Keeps the reason that the server gives for leaving.
    func disconnected(reason: Int32, _ message: UnsafeRawBufferPointer) {
        let text = ServerText.printable(message.prefix(Self.farewellBytes))
        farewell = text.isEmpty ? "reason \(reason)" : text
    }

    // MARK: The socket's side

    /// Sends what waits, as far as the socket takes it and the rate allows.
    /// - Returns: whether anything left.
    func flush() -> Bool {
        var hasMoved = false
        while !outgoing.isEmpty {
            let most = sending?.granted(outgoing.count, at: now()) ?? outgoing.count
            guard most > 0 else { return hasMoved }
            let count = outgoing.withPending {
                Glibc.send(descriptor, $0.baseAddress, min(most, $0.count), Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else {
                let code = errno
                if code == EINTR { continue }
                if code != EAGAIN {
                    // The server's last words may still be waiting: only the reading side says that it is over.
                    brokenBy = SystemError.text(code)
                    outgoing.removeAll()
                }
                return hasMoved
            }
            outgoing.consume(count)
            sending?.take(count)
            hasMoved = true
        }
        return hasMoved
    }

    /// Fetches what has arrived, if libssh2 has taken everything before it and the rate allows.
    /// - Returns: whether anything came, the end included.
    func fetch() -> Bool {
        guard !hasIncoming, !isEnded else { return false }
        let most = receiving?.granted(incoming.count, at: now()) ?? incoming.count
        guard most > 0 else { return false }
        while true {
            let count = recv(descriptor, incoming.baseAddress, most, 0)
            let code = errno
            if count < 0, code == EINTR { continue }
            if count < 0, code == EAGAIN { return false }
            guard count > 0 else {
                isEnded = true
                if count < 0, brokenBy == nil { brokenBy = SystemError.text(code) }
                outgoing.removeAll()
                return true
            }
            // Else the kernel delays our acknowledgement by 40 ms, and a server that sends small packets waits for it.
            SocketConnector.set(descriptor, Int32(IPPROTO_TCP), TCP_QUICKACK, 1)
            if opening.count < Self.openingBytes {
                opening += incoming.prefix(min(count, Self.openingBytes - opening.count))
            }
            receiving?.take(count)
            (incomingStart, incomingEnd) = (0, count)
            receivedBytes += count
            return true
        }
    }

    /// Waits until the socket can go on, as far as the rate allows, the thread is woken, or the time is over.
    func wait(_ wakeUp: WakeUp, until deadline: ContinuousClock.Instant?) {
        var end = deadline
        var events: Int32 = 0
        if let pause = receiving?.pause(incoming.count, at: now()) {
            end = min(end ?? pause, pause)
        } else {
            events |= POLLIN
        }
        if !outgoing.isEmpty {
            if let pause = sending?.pause(outgoing.count, at: now()) {
                end = min(end ?? pause, pause)
            } else {
                events |= POLLOUT
            }
        }
        // Asked for nothing, poll would return at once for a connection that broke, again and again.
        var polled = isEnded || events == 0 ? [] : [pollfd(fd: descriptor, events: Int16(events), revents: 0)]
        wakeUp.sleep(&polled, until: end)
    }
}

/// Text that a server sent, made fit for a message or a log.
enum ServerText {
    /// On one line, without white space around it, and otherwise as `printableText` has it: what a server sends must
    /// not be able to forge log lines.
    static func printable(_ bytes: some Sequence<UInt8>) -> String {
        let words = bytes.split { [0x09, 0x0A, 0x0D, 0x20].contains($0) }
        return printableText(words.joined(separator: [0x20]).map(\.self))
    }
}
