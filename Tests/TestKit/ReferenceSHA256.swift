import Glibc
import Synchronization

/// SHA-256 in plain Swift (FIPS 180-4, section 6.2): tests check the program's hashes with code that shares nothing
/// with it.
public enum ReferenceSHA256 {
    /// The hash in lower-case hexadecimal.
    public static func hexadecimal(_ bytes: [UInt8]) -> String {
        let content = Content(bytes: bytes)
        if let known = known.withLock({ $0[content] }) { return known }
        let result = compute(bytes)
        // Hashing is slow in a debug build, and the crash tests store the same contents thousands of times.
        known.withLock { known in
            if known.count >= maximumKnown { known = [:] }
            known[content] = result
        }
        return result
    }

    /// Bytes that are compared and hashed as memory, which a debug build does much faster than as an array.
    private struct Content: Hashable {
        let bytes: [UInt8]

        static func == (first: Content, second: Content) -> Bool { isSame(first.bytes, second.bytes) }

        func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
    }

    private static let maximumKnown = 256
    private static let known = Mutex<[Content: String]>([:])

    private static func compute(_ bytes: [UInt8]) -> String {
        var padded = bytes
        padded.append(0x80)
        padded.append(contentsOf: repeatElement(0, count: (120 - padded.count % 64) % 64))
        let countBits = UInt64(bytes.count) * 8
        for shift in stride(from: UInt64(56), through: 0, by: -8) {
            padded.append(UInt8(truncatingIfNeeded: countBits >> shift))
        }

        var hash: [UInt32] = [
            0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
        ]
        var schedule = [UInt32](repeating: 0, count: 64)
        padded.withUnsafeBufferPointer { input in
            schedule.withUnsafeMutableBufferPointer { w in
                hash.withUnsafeMutableBufferPointer { h in
                    constants.withUnsafeBufferPointer { k in
                        var offset = 0
                        while offset < input.count {
                            addBlock(input, offset, w, h, k)
                            offset += 64
                        }
                    }
                }
            }
        }
        let digits = Array("0123456789abcdef".unicodeScalars)
        var text = ""
        for word in hash {
            for shift in stride(from: UInt32(28), through: 0, by: -4) {
                text.unicodeScalars.append(digits[Int((word >> shift) & 15)])
            }
        }
        return text
    }

    private static func addBlock(
        _ input: UnsafeBufferPointer<UInt8>, _ offset: Int, _ w: UnsafeMutableBufferPointer<UInt32>,
        _ h: UnsafeMutableBufferPointer<UInt32>, _ k: UnsafeBufferPointer<UInt32>
    ) {
        var t = 0
        while t < 16 {
            let at = offset &+ t &* 4
            w[t] =
                UInt32(input[at]) << 24 | UInt32(input[at &+ 1]) << 16 | UInt32(input[at &+ 2]) << 8
                | UInt32(input[at &+ 3])
            t &+= 1
        }
        while t < 64 {
            let x = w[t &- 15]
            let y = w[t &- 2]
            let small0 = (x &>> 7 | x &<< 25) ^ (x &>> 18 | x &<< 14) ^ (x &>> 3)
            let small1 = (y &>> 17 | y &<< 15) ^ (y &>> 19 | y &<< 13) ^ (y &>> 10)
            w[t] = w[t &- 16] &+ small0 &+ w[t &- 7] &+ small1
            t &+= 1
        }
        var (a, b, c, d) = (h[0], h[1], h[2], h[3])
        var (e, f, g, i) = (h[4], h[5], h[6], h[7])
        t = 0
        while t < 64 {
            let large1 = (e &>> 6 | e &<< 26) ^ (e &>> 11 | e &<< 21) ^ (e &>> 25 | e &<< 7)
            let first = i &+ large1 &+ ((e & f) ^ (~e & g)) &+ k[t] &+ w[t]
            let large0 = (a &>> 2 | a &<< 30) ^ (a &>> 13 | a &<< 19) ^ (a &>> 22 | a &<< 10)
            let second = large0 &+ ((a & b) ^ (a & c) ^ (b & c))
            i = g
            g = f
            f = e
            e = d &+ first
            d = c
            c = b
            b = a
            a = first &+ second
            t &+= 1
        }
        h[0] &+= a
        h[1] &+= b
        h[2] &+= c
        h[3] &+= d
        h[4] &+= e
        h[5] &+= f
        h[6] &+= g
        h[7] &+= i
    }

    /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (section 4.2.2), worked
    /// out in whole numbers.
    private static let constants: [UInt32] = {
        var primes: [UInt64] = []
        var candidate: UInt64 = 2
        while primes.count < 64 {
            if primes.allSatisfy({ candidate % $0 != 0 }) { primes.append(candidate) }
            candidate += 1
        }
        return primes.map { prime in
            // The largest x with x³ ≤ prime · 2⁹⁶ has the whole part above bit 32 and the fraction below it.
            var root: UInt64 = 0
            for bit in stride(from: UInt64(35), through: 0, by: -1) {
                let next = root | 1 << bit
                if cubeIsAtMost(next, prime) { root = next }
            }
            return UInt32(truncatingIfNeeded: root)
        }
    }()

    private static func cubeIsAtMost(_ x: UInt64, _ prime: UInt64) -> Bool {
        // UInt128 is part of the standard library of Swift 6.
        let wide = UInt128(x)
        return wide * wide * wide <= UInt128(prime) << 96
    }
}
