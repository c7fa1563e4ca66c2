/// How files are called at the partner's (SFTP_TARGET_NAME): a path below SFTP_TARGET_DIR with placeholders for parts of
/// the key, after SFTP_SOURCE_S3_REGEXP_STRIP, and for the time at which the object was stored, in UTC.
///
/// Two keys never become one path (`TargetPath`): a template has to hold the whole name of the file, and where it has no
/// place for the directory a key with one is refused. What stands beside them has a fixed length, and names are cut into
/// stem and extension at one place only, so the key can be told from the path whatever the times are.
///
/// Two versions of a key are two files where their times differ in the template, as they are meant to, and one otherwise.
public struct TargetName: Hashable, Sendable {
    /// The template as it was given.
    public let template: String

    private let parts: [Part]

    /// The longest template in bytes.
    public static let maximumBytes = 1024

    /// Every placeholder, in the order of the documentation.
    public static var placeholders: [String] { Placeholder.allCases.map { "{\($0.rawValue)}" } }

    /// Reads a template. `{{` and `}}` stand for the braces themselves.
    /// - Throws: `TargetNameFailure` saying what is wrong with it, and where.
    public init(_ template: String) throws(TargetNameFailure) {
        guard (1...Self.maximumBytes).contains(template.utf8.count) else {
            throw TargetNameFailure("has \(template.utf8.count) bytes: 1 to \(Self.maximumBytes) are possible")
        }
        var parser = TemplateParser(template)
        let parts = try parser.parts()
        try Self.checkDistinction(parts)
        try Self.checkSegments(parts)
        self.template = template
        self.parts = parts
    }

    /// Whether it tells the time, so that two versions of one key can be two files.
    var usesTime: Bool { parts.contains { $0.placeholder?.range != nil } }

    /// What it makes of a key.
    /// - Parameters:
    ///   - rest: what is left of the key, which is the path of a file.
    ///   - time: when the version of the object was stored.
    /// - Throws: `TargetPathFailure` when it has no place for a part of the key.
    func path(of rest: [UInt8], at time: UnixTime) throws(TargetPathFailure) -> [UInt8] {
        let nameStart = (rest.lastIndex(of: slash) ?? -1) + 1
        let (directory, name) = (rest[..<nameStart], rest[nameStart...])
        let holdsDirectory = parts.contains { $0.placeholder == .dir || $0.placeholder == .path }
        guard directory.isEmpty || holdsDirectory else {
            throw TargetPathFailure(
                "SFTP_TARGET_NAME has no {dir} for its directory \(printable(directory)), and an object of that name in "
                    + "another directory would be the same file; SFTP_SOURCE_S3_REGEXP_STRIP can cut the directory out")
        }
        let text = Array(time.rfc3339.utf8)
        guard !usesTime || text.count == Self.timeBytes else {
            throw TargetPathFailure("its time is in none of the years 0 to 9999")
        }
        let dot = Self.extensionStart(name)
        var path: [UInt8] = []
        for part in parts {
            switch part {
            case .literal(let bytes): path += bytes
            case .placeholder(.path): path += rest
            case .placeholder(.dir): path += directory
            case .placeholder(.name): path += name
            case .placeholder(.stem): path += name[..<dot]
            case .placeholder(.ext): path += name[dot...]
            case .placeholder(let other):
                for range in other.range ?? [] { path += text[range] }
            }
        }
        return path
    }

    /// As long as `UnixTime.rfc3339` is for years of four digits.
    private static let timeBytes = 20

    /// The last dot that is not the first byte; else the end.
    private static func extensionStart(_ name: ArraySlice<UInt8>) -> Int {
        name.dropFirst().lastIndex(of: UInt8(ascii: ".")) ?? name.endIndex
    }

    // MARK: Checks

    private static func checkDistinction(_ parts: [Part]) throws(TargetNameFailure) {
        let ofKey = parts.compactMap(\.placeholder).filter { $0.range == nil }
        let wholes: [[Placeholder]] = [[.path], [.name], [.dir, .name], [.stem, .ext], [.dir, .stem, .ext]]
        let rule =
            "it has to hold {path}; or {name}, or {stem} and behind it {ext}, with {dir} before them where keys have "
            + "directories; each of them once"
        guard !ofKey.isEmpty else {
            throw TargetNameFailure("holds nothing of the key, so that every object would be the same file: \(rule)")
        }
        guard wholes.contains(ofKey) else {
            let found = ofKey.map { "{\($0.rawValue)}" }.joined(separator: " ")
            throw TargetNameFailure(
                "holds \(found) of the key, by which not every two objects can be told apart: \(rule)")
        }
        guard let stem = parts.firstIndex(of: .placeholder(.stem)),
            let ext = parts.firstIndex(of: .placeholder(.ext))
        else { return }
        let isDivided = parts[stem..<ext].contains { $0.literal?.contains(slash) == true }
        guard !isDivided else { throw TargetNameFailure("has a / between {stem} and {ext}, which are one name") }
    }

    /// Every name between slashes has to be one, and {dir} brings its slash itself.
    private static func checkSegments(_ parts: [Part]) throws(TargetNameFailure) {
        // What a placeholder stands for is a part of a name, or a directory that ends with a slash.
        let filler = UInt8(ascii: "x")
        var shape: [UInt8] = []
        for part in parts {
            switch part {
            case .literal(let bytes):
                shape += bytes
            case .placeholder(let placeholder):
                let startsName = shape.isEmpty || shape.last == slash
                guard startsName || (placeholder != .dir && placeholder != .path) else {
                    throw TargetNameFailure("has something before {\(placeholder.rawValue)} that does not end with a /")
                }
                shape += placeholder == .dir ? [filler, slash] : [filler]
            }
        }
        if let dir = parts.firstIndex(of: .placeholder(.dir)), dir + 1 < parts.count,
            parts[dir + 1].literal?.first == slash
        {
            throw TargetNameFailure("has a / behind {dir}, which ends with one itself")
        }
        for segment in shape.split(separator: slash, omittingEmptySubsequences: false) {
            guard RemoteName(bytes: Array(segment)) != nil else {
                throw TargetNameFailure(
                    segment.isEmpty
                        ? "has a / at its beginning or its end, or two in a row: it is a path below SFTP_TARGET_DIR"
                        : "has the name \(printable(segment)), which could lead elsewhere")
            }
        }
    }
}

/// Why a template cannot be used.
public struct TargetNameFailure: Error, Hashable, Sendable {
    /// The reason, as the end of a sentence about the template.
    public let reason: String

    init(_ reason: String) { self.reason = reason }
}

private let slash = UInt8(ascii: "/")

private enum Part: Hashable, Sendable {
    case literal([UInt8])
    case placeholder(Placeholder)

    var placeholder: Placeholder? { if case .placeholder(let placeholder) = self { placeholder } else { nil } }
    var literal: [UInt8]? { if case .literal(let bytes) = self { bytes } else { nil } }
}

private enum Placeholder: String, CaseIterable {
    case path, dir, name, stem, ext, date, time, year, month, day, hour, minute, second

    /// Where it stands in `2026-01-02T03:04:05Z`; nil for a part of the key.
    var range: [Range<Int>]? {
        switch self {
        case .path, .dir, .name, .stem, .ext: nil
        case .year: [0..<4]
        case .month: [5..<7]
        case .day: [8..<10]
        case .hour: [11..<13]
        case .minute: [14..<16]
        case .second: [17..<19]
        case .date: [0..<4, 5..<7, 8..<10]
        case .time: [11..<13, 14..<16, 17..<19]
        }
    }
}

private struct TemplateParser {
    private let bytes: [UInt8]
    private var place = 0
    private var literal: [UInt8] = []
    private var found: [Part] = []

    private static let (opening, closing) = (UInt8(ascii: "{"), UInt8(ascii: "}"))

    init(_ template: String) { bytes = Array(template.utf8) }

    mutating func parts() throws(TargetNameFailure) -> [Part] {
        while place < bytes.count {
            let byte = bytes[place]
            let isDoubled = place + 1 < bytes.count && bytes[place + 1] == byte
            switch byte {
            case Self.opening, Self.closing:
                if isDoubled {
                    literal.append(byte)
                    place += 2
                    continue
                }
                guard byte == Self.opening else {
                    throw TargetNameFailure("has a } \(here) without a { before it; }} stands for one of its own")
                }
                let placeholder = try placeholder()
                endLiteral()
                found.append(.placeholder(placeholder))
            default:
                literal.append(byte)
                place += 1
            }
        }
        endLiteral()
        return found
    }

    private mutating func placeholder() throws(TargetNameFailure) -> Placeholder {
        guard let end = bytes[place...].firstIndex(of: Self.closing) else {
            throw TargetNameFailure("has a { \(here) without a } behind it; {{ stands for one of its own")
        }
        let name = bytes[(place + 1)..<end]
        guard let placeholder = Placeholder(rawValue: String(decoding: name, as: UTF8.self)) else {
            let known = TargetName.placeholders.joined(separator: " ")
            throw TargetNameFailure("has the placeholder {\(printable(name))} \(here), which is none of \(known)")
        }
        place = end + 1
        return placeholder
    }

    private mutating func endLiteral() {
        if !literal.isEmpty { found.append(.literal(literal)) }
        literal = []
    }

    /// Characters are counted from 1, as people do.
    private var here: String {
        "at character \(String(decoding: bytes[..<place], as: UTF8.self).unicodeScalars.count + 1)"
    }
}
