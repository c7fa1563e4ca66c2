extension RequestEngine {
    /// Takes a packet of the server.
    /// - Throws: when it may not come now, or answers nothing that was asked.
    mutating func receive(_ packet: ServerPacket) throws(SFTPError) {
        switch (phase, packet) {
        case (.ended, _): return
        case (.starting, .version(let info)):
            guard hasSentInitialize else { throw .violation("VERSION before it was asked for") }
            guard info.version == PacketLimit.protocolVersion else {
                throw SFTPError(
                    .sftpStart, .unsupported,
                    "the server speaks version \(info.version) of SFTP; only version 3 is supported")
            }
            start(info)
        case (.starting, .reply): throw .violation("a reply before VERSION")
        case (.open, .version): throw .violation("a second VERSION")
        case (.open, .reply(let id, let reply)): try receive(reply, id: id)
        }
    }

    private mutating func receive(_ reply: ServerPacket.Reply, id: UInt32) throws(SFTPError) {
        guard let request = table.remove(id) else {
            throw .violation("\(reply.name) for request \(id), which is not outstanding")
        }
        if request.lane == .read { readWindow.release(request.countBytes) }
        if request.lane == .write { writeWindow.release(request.countBytes) }
        let outcome = try interpret(reply, as: request)
        flights[request.flight]?.outstanding -= 1
        if request.isPartOfRange {
            absorb(outcome, of: request)
        } else {
            answer(request.flight, request.item, outcome)
        }
        if case .success(.limits(let limits)) = outcome { adopt(limits) }
        advance(request.flight)
    }

    /// One answer of the many to a range.
    private mutating func absorb(_ outcome: ReplyOutcome, of request: OutstandingRequest) {
        if request.lane == .read {
            flights[request.flight]?.read?.absorb(outcome, of: request)
            if request.shortAnswerBytes > 0, case .success(.data(let bytes)) = outcome, !bytes.isEmpty {
                // There was more: the server gives less at once than its limits say. Asking for less saves a round trip.
                readBytes = max(PacketLimit.safeTransferBytes, min(readBytes, request.shortAnswerBytes))
            }
        } else {
            flights[request.flight]?.write?.absorb(outcome)
        }
        let failure = flights[request.flight]?.read?.failure ?? flights[request.flight]?.write?.failure
        if failure != nil { dropUnsent(request.flight) }
    }

    /// What a reply means for its request.
    private func interpret(
        _ reply: ServerPacket.Reply, as request: OutstandingRequest
    ) throws(SFTPError) -> ReplyOutcome {
        switch (request.expected, reply) {
        case (.status, .status(.ok, _)), (.extended, .status(.ok, _)): return .success(.ok)
        case (_, .status(let status, let text)) where status != .ok:
            return .failure(refusal(status, text, of: request))
        case (.handle, .handle(let bytes)):
            let path = flights[request.flight]?.path(item: request.item) ?? []
            return .success(.handle(SFTPHandle(bytes: bytes, path: path)))
        case (.data, .data(let bytes)) where bytes.count <= request.countBytes: return .success(.data(bytes))
        case (.names, .names(let names)): return .success(.names(names))
        case (.singleName, .names(let names)) where names.count == 1: return .success(.names(names))
        case (.attributes, .attributes(let attributes)): return .success(.attributes(attributes))
        case (.limits, .extended(let data)): return .success(.limits(try SFTPLimits(decoding: data)))
        case (.extended, .extended(let data)): return .success(.extended(data))
        default:
            let what = describe(request)
            throw .violation("the answer to \(what) is \(reply.name)\(Self.size(reply)), which does not answer it")
        }
    }

    private static func size(_ reply: ServerPacket.Reply) -> String {
        switch reply {
        case .data(let bytes): " of \(bytes.count) bytes"
        case .names(let names): " with \(names.count) names"
        default: ""
        }
    }

    private func refusal(_ status: SFTPStatus, _ text: [UInt8], of request: OutstandingRequest) -> SFTPError {
        let words = text.isEmpty ? "" : ": \"\(printableText(text, limitBytes: 256))\""
        return SFTPError(
            .operation, .status(status), "\(describe(request)): the server answered \(status)\(words)")
    }

    private mutating func adopt(_ said: SFTPLimits) {
        limits = said
        readBytes = min(said.usedReadBytes, constants.transferBytes)
        writeBytes = min(said.usedWriteBytes, constants.transferBytes)
    }

    /// The error for a server that has been silent for too long.
    func silence(now: ContinuousClock.Instant) -> SFTPError {
        let seconds = constants.operationTimeout.components.seconds
        guard case .open = phase else {
            if let startDeadline = constants.startDeadline, now >= startDeadline {
                return SFTPError(
                    .sftpStart, .timeout, "no whole answer to INIT within the time for connecting and logging in")
            }
            return SFTPError(.sftpStart, .timeout, "no answer to INIT within \(seconds) seconds")
        }
        let oldest = table.requests.min { ($0.flight, $0.item) < ($1.flight, $1.item) }
        let what = oldest.map { ", the oldest of them \(describe($0))" } ?? ""
        return SFTPError(
            .operation, .timeout,
            "nothing came from the server for \(seconds) seconds while \(table.count) requests waited\(what)")
    }

    private func describe(_ request: OutstandingRequest) -> String {
        flights[request.flight]?.describe(item: request.item, offset: request.isPartOfRange ? request.offset : nil)
            ?? "a request"
    }
}
