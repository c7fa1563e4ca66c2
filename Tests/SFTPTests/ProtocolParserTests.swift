import TestKit
import Testing

@testable import SFTP

/// The parser against every division of its input, and against bytes that nobody meant.
@Suite struct ProtocolParserTests {
    @Test func everyDivisionOfTheStreamGivesTheSamePackets() throws {
        let stream = ProtocolDecodingTests.goldenPackets.flatMap { bytes($0.0) }
        let expected = ProtocolDecodingTests.goldenPackets.map(\.1)
        for first in 0...stream.count {
            let parts = [Array(stream[..<first]), Array(stream[first...])]
            #expect(try parse(parts) == expected, "divided at \(first)")
        }
        for size in 1...32 {
            let parts = stride(from: 0, to: stream.count, by: size).map {
                Array(stream[$0..<min($0 + size, stream.count)])
            }
            #expect(try parse(parts) == expected, "in parts of \(size)")
        }
    }

    @Test func largePayloadIsAssembledFromManyParts() throws {
        let payload = (0..<(255 << 10)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        let packet = dataPacket(id: 5, payload)
        let stream = packet + packet + bytes("00000009 65 00000007 00000000") + packet
        for size in [1_400, 32_768, 65_537, stream.count] {
            let parts = stride(from: 0, to: stream.count, by: size).map {
                Array(stream[$0..<min($0 + size, stream.count)])
            }
            let data = ServerPacket.reply(id: 5, .data(payload))
            #expect(try parse(parts) == [data, data, .reply(id: 7, .status(.ok, text: [])), data])
        }
    }

    @Test func longestPacketIsTakenAndOneByteMoreIsNot() throws {
        let payload = [UInt8](repeating: 7, count: PacketLimit.receivedBytes - 9)
        #expect(try parse([dataPacket(id: 1, payload)]) == [.reply(id: 1, .data(payload))])
        #expect(throws: SFTPError.self) { try parse([dataPacket(id: 1, payload + [7])]) }
    }

    @Test func randomAndMutatedBytesNeverDoHarm() {
        let golden = ProtocolDecodingTests.goldenPackets.map { bytes($0.0) }
        var random = SeededGenerator(seed: 0x5EED)
        var errors = 0
        var packets = 0
        for round in 0..<120_000 {
            var stream: [UInt8] = []
            if round % 4 == 0 {
                stream = (0..<Int.random(in: 0...64, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                // A length that passes, so that what is behind it is read.
                if round % 8 == 0 && stream.count >= 4 {
                    stream.replaceSubrange(0..<4, with: [0, 0, 0, UInt8(stream.count - 4)])
                }
            } else {
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    stream += golden.randomElement(using: &random) ?? []
                }
                for _ in 0..<Int.random(in: 1...4, using: &random) { mutate(&stream, using: &random) }
            }
            let cut = stream.isEmpty ? 0 : Int.random(in: 0...stream.count, using: &random)
            do {
                packets += try parse([Array(stream[..<cut]), Array(stream[cut...])]).count
            } catch {
                errors += 1
                if error.reason != .protocolViolation { Issue.record("\(error)") }
            }
        }
        // Both ways out were really taken.
        #expect(errors > 10_000)
        #expect(packets > 10_000)
    }

    private func mutate(_ stream: inout [UInt8], using random: inout SeededGenerator) {
        guard !stream.isEmpty else { return }
        let index = Int.random(in: 0..<stream.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: stream[index] = UInt8.random(in: 0...255, using: &random)
        case 1: stream[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: stream.remove(at: index)
        case 3: stream.insert(UInt8.random(in: 0...255, using: &random), at: index)
        default: stream.removeLast(Int.random(in: 0...min(8, stream.count), using: &random))
        }
    }

    private func dataPacket(id: UInt32, _ payload: [UInt8]) -> [UInt8] {
        var packet: [UInt8] = []
        packet.appendUInt32(UInt32(9 + payload.count))
        packet.append(PacketType.data)
        packet.appendUInt32(id)
        packet.appendString(payload)
        return packet
    }
}
