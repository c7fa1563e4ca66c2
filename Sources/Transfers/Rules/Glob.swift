/// A file name pattern, matched byte by byte: `?` is one byte but `/`, `*` any number of them, `**` any number with
/// `/`, `[a-z]` and `[!a-z]` one byte of a set, and `\` takes the next byte as it is.
///
/// A pattern without `/` is matched with the name alone, in any directory; one with `/` with the whole path below the
/// source directory. `**/` at the beginning or between slashes also stands for no directory at all.
///
/// Matching takes time proportional to pattern times path and never backtracks: it follows all positions in the
/// pattern at once.
public struct Glob: Hashable, Sendable {
    /// The pattern as it was given.
    public let pattern: String

    private let tokens: [Token]
    private let matchesWholePath: Bool

    /// The longest pattern in bytes.
    public static let maximumBytes = 1024

    /// Reads a pattern.
    /// - Throws: `GlobFailure` saying what is wrong with it.
    public init(_ pattern: String) throws(GlobFailure) {
        let bytes = Array(pattern.utf8)
        guard !bytes.isEmpty else { throw GlobFailure(reason: "the pattern is empty") }
        guard bytes.count <= Self.maximumBytes else {
            throw GlobFailure(reason: "the pattern is longer than \(Self.maximumBytes) bytes")
        }
        self.pattern = pattern
        matchesWholePath = bytes.contains(slash)
        tokens = try GlobParser(bytes: bytes.first == slash ? bytes.dropFirst() : bytes[...]).tokens()
    }

    /// Whether the path below the source directory matches.
    public func matches(_ relativePath: [UInt8]) -> Bool {
        let nameStart = (relativePath.lastIndex(of: slash) ?? -1) + 1
        let subject = matchesWholePath ? relativePath[...] : relativePath[nameStart...]
        // live[i]: the tokens before i have matched all that was read so far.
        var live = [Bool](repeating: false, count: tokens.count + 1)
        live[0] = true
        followEmptyMatches(&live)
        for byte in subject {
            var next = [Bool](repeating: false, count: tokens.count + 1)
            for (index, token) in tokens.enumerated() where live[index] {
                if token.staysFor(byte) { next[index] = true }
                if token.endsWith(byte) { next[index + 1] = true }
            }
            followEmptyMatches(&next)
            live = next
        }
        return live[tokens.count]
    }

    /// Where a token may match nothing, what stands behind it may begin.
    private func followEmptyMatches(_ live: inout [Bool]) {
        for (index, token) in tokens.enumerated() where live[index] {
            switch token {
            case .star, .doubleStar: live[index + 1] = true
            case .maybeDirectories:
                live[index + 1] = true
                live[index + 2] = true
            case .byte, .anyByte, .set, .directories: break
            }
        }
    }
}

/// Why a pattern cannot be used.
public struct GlobFailure: Error, Hashable, Sendable {
    /// The reason.
    public let reason: String
}

private let slash = UInt8(ascii: "/")

private enum Token: Hashable, Sendable {
    case byte(UInt8)
    /// `?`
    case anyByte
    /// `*`
    case star
    /// `**`
    case doubleStar
    /// `**/` is this, for which nothing may stand, and then `directories`.
    case maybeDirectories
    /// Anything that ends in a slash.
    case directories
    case set([ClosedRange<UInt8>], isNegated: Bool)

    /// Whether the byte can be inside of what the token matches.
    func staysFor(_ byte: UInt8) -> Bool {
        switch self {
        case .star: byte != slash
        case .doubleStar, .directories: true
        case .byte, .anyByte, .maybeDirectories, .set: false
        }
    }

    /// Whether the byte can be the last of what the token matches. (What may match nothing ends by `followEmptyMatches`.)
    func endsWith(_ byte: UInt8) -> Bool {
        switch self {
        case .byte(let wanted): byte == wanted
        case .anyByte: byte != slash
        case .directories: byte == slash
        case .set(let ranges, let isNegated):
            byte != slash && ranges.contains { $0.contains(byte) } != isNegated
        case .star, .doubleStar, .maybeDirectories: false
        }
    }
}

private struct GlobParser {
    var bytes: ArraySlice<UInt8>

    consuming func tokens() throws(GlobFailure) -> [Token] {
        var tokens: [Token] = []
        while let byte = bytes.popFirst() {
            switch byte {
            case UInt8(ascii: "?"): tokens.append(.anyByte)
            case UInt8(ascii: "*"): tokens += stars(isAtNameStart: tokens.isEmpty || tokens.last == .byte(slash))
            case UInt8(ascii: "["): tokens.append(try set())
            case UInt8(ascii: "\\"):
                guard let taken = bytes.popFirst() else {
                    throw GlobFailure(reason: "there is nothing behind the last \\")
                }
                tokens.append(.byte(taken))
            default: tokens.append(.byte(byte))
            }
        }
        return tokens
    }

    private mutating func stars(isAtNameStart: Bool) -> [Token] {
        guard bytes.first == UInt8(ascii: "*") else { return [.star] }
        while bytes.first == UInt8(ascii: "*") { bytes.removeFirst() }
        guard isAtNameStart, bytes.first == slash else { return [.doubleStar] }
        bytes.removeFirst()
        return [.maybeDirectories, .directories]
    }

    private mutating func set() throws(GlobFailure) -> Token {
        let isNegated = bytes.first == UInt8(ascii: "!") || bytes.first == UInt8(ascii: "^")
        if isNegated { bytes.removeFirst() }
        var ranges: [ClosedRange<UInt8>] = []
        // A `]` that stands first is one of the set.
        while let byte = bytes.popFirst(), byte != UInt8(ascii: "]") || ranges.isEmpty {
            if bytes.first == UInt8(ascii: "-"), let last = bytes.dropFirst().first, last != UInt8(ascii: "]") {
                guard byte <= last else { throw GlobFailure(reason: "a range in [...] runs backwards") }
                bytes.removeFirst(2)
                ranges.append(byte...last)
            } else {
                ranges.append(byte...byte)
            }
            guard !bytes.isEmpty else { throw GlobFailure(reason: "a [ has no ]") }
        }
        guard !ranges.isEmpty else { throw GlobFailure(reason: "a [ has no ]") }
        return .set(ranges, isNegated: isNegated)
    }
}
