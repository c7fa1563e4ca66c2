@testable import SFTP

enum SFTPFuzzing {
    // MARK: Packets

    /// The first byte says into how large pieces the stream is cut.
    static func packets(_ bytes: [UInt8]) throws {
        guard let first = bytes.first else { return }
        let stream = Array(bytes.dropFirst())
        let whole = parsed(stream, pieceBytes: max(1, stream.count))
        let cut = parsed(stream, pieceBytes: Int(first % 32) + 1)
        try must(whole.packets == cut.packets, "pieces give \(cut.packets) in place of \(whole.packets)")
        try must(whole.isBroken == cut.isBroken, "one is refused, in one piece or in several, and the other is not")
        for packet in whole.packets { try check(packet) }
    }

    private static func parsed(_ stream: [UInt8], pieceBytes: Int) -> (packets: [ServerPacket], isBroken: Bool) {
        var parser = PacketParser()
        var packets: [ServerPacket] = []
        do throws(SFTPError) {
            for start in stride(from: 0, to: stream.count, by: pieceBytes) {
                try Array(stream[start..<min(start + pieceBytes, stream.count)]).withRawBytes {
                    (piece) throws(SFTPError) in
                    try parser.consume(piece) { packets.append($0) }
                }
            }
            return (packets, false)
        } catch {
            return (packets, true)
        }
    }

    private static func check(_ packet: ServerPacket) throws {
        switch packet {
        case .version: break
        case .reply(_, .attributes(let attributes)): try checkEncoding(attributes)
        case .reply(_, .names(let names)): for name in names { try checkEncoding(name.attributes) }
        case .reply(_, .extended(let data)):
            // Any answer could be one to limits@openssh.com; that it is none is the usual case.
            _ = try? SFTPLimits(decoding: data)
        case .reply(_, .status(let status, let text)):
            try must(isOfOneLine("\(status)\(printableText(text))"), "a status that cannot be shown: \(text)")
        case .reply(_, .handle(let handle)):
            try must(handle.count <= PacketLimit.handleBytes, "a handle of \(handle.count) bytes")
        case .reply(_, .data): break
        }
    }

    private static func checkEncoding(_ attributes: SFTPAttributes) throws {
        var encoded: [UInt8] = []
        encoded.appendAttributes(attributes)
        try must(encoded.count == attributes.encodedSizeBytes, "a size that is not that of the encoding")
        let decoded = try encoded.withRawBytes { (bytes) throws(SFTPError) in
            var reader = PacketReader(bytes, packet: "ATTRS")
            let decoded = try reader.attributes()
            try reader.finish()
            return decoded
        }
        try must(decoded == attributes, "\(attributes) become \(decoded)")
    }

    // MARK: Before encryption

    private static let configuration = SSHConfiguration(host: "h", user: "u", credentials: SSHCredentials())
    private static let ours = AlgorithmOffer(configuration, takesWholePackets: true)
    private static let longestAdviceBytes = 8 * 1_024

    static func opening(_ bytes: [UInt8]) throws {
        guard let server = AlgorithmOffer(openingOfServer: bytes),
            let refusal = AlgorithmRefusal(ours: ours, server: server)
        else { return }
        let advice = refusal.advice(ours: ours, enabled: LegacyAlgorithm.all)
        try must(isOfOneLine(advice), "the advice is not of one line: \(advice)")
        try must(advice.utf8.count <= longestAdviceBytes, "an advice of \(advice.utf8.count) bytes")
        for legacy in refusal.remedy ?? [] {
            try must(!ours.keyExchange.contains(legacy.name), "\(legacy) is offered already")
        }
    }

    // MARK: Settings

    static func privateKey(_ bytes: [UInt8]) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        do throws(SFTPError) {
            let key = try PrivateKeyText(text)
            let pem = try key.pem.withCString { (text) throws(SFTPError) in String(cString: text) }
            let again = try PrivateKeyText(pem)
            let isSame =
                again.form == key.form && again.isEncrypted == key.isEncrypted && again.keyType == key.keyType
                && again.fingerprint == key.fingerprint
            guard isSame else { throw SFTPError(.keyUnreadable, seen: "it is read in another way the second time") }
        } catch {
            try must(!error.message.contains("second time"), "the key made whole: \(error.message)")
            try must(!shows(error.message, pieceOf: bytes), "the error shows the key: \(error.message)")
            try must(isOfOneLine(error.message), "the error is not of one line: \(error.message)")
        }
    }

    static func hostKey(_ bytes: [UInt8]) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        let policy: HostKeyPolicy
        do throws(SFTPError) {
            policy = try HostKeyPolicy(parsing: text)
        } catch {
            try must(isOfOneLine(error.message), "the error is not of one line: \(error.message)")
            return
        }
        let names = policy.algorithmPreference()
        try must(Set(names).count == names.count, "algorithms twice: \(names)")
        try must(!names.contains("ssh-rsa"), "a weak algorithm: \(names)")
        for key in policy.keys {
            try must(try HostKeyPolicy(parsing: key.line).keys == [key], "\(key.line) becomes another key")
            let isRevoked = policy.revoked.contains(key)
            let verdict = policy.verdict(on: key, sha256: Digest.sha256(key.blob))
            try must(verdict == (isRevoked ? .revoked : .accepted), "\(key.line) is \(verdict)")
        }
        for digest in policy.digests {
            let fingerprint = Digest.fingerprint(sha256: digest)
            try must(try HostKeyPolicy(parsing: fingerprint).digests == [digest], "\(fingerprint) becomes another")
        }
    }
}
