import SFTP
import Transfers

/// Parsers that several settings share.
enum SettingParsers {
    /// A whole number within a range.
    static func wholeNumber(_ range: ClosedRange<Int>) -> @Sendable (String) throws(SettingProblem) -> Int {
        { (text) throws(SettingProblem) in
            let isDigits = text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard isDigits else { throw SettingProblem("is \(shown(text)), which is not a whole number") }
            guard let number = Int(text), range.contains(number) else {
                throw SettingProblem(
                    "is \(shown(text)), which is not within \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
    }

    /// A rate; nil for none. Below the least, a single packet of SFTP would take longer than a silence may last.
    @Sendable static func bytesPerSecond(_ text: String) throws(SettingProblem) -> Int? {
        guard text != "0" else { return nil }
        return try wholeNumber(65_536...10_000_000_000)(text)
    }

    /// How long a silence may last; nil: as long as it does.
    @Sendable static func keepaliveSeconds(_ text: String) throws(SettingProblem) -> Int? {
        guard text != "0" else { return nil }
        return try wholeNumber(5...300)(text)
    }

    /// Yes or no.
    @Sendable static func boolean(_ text: String) throws(SettingProblem) -> Bool {
        switch text.lowercased() {
        case "true", "1", "yes", "on": return true
        case "false", "0", "no", "off": return false
        default: throw SettingProblem("is \(shown(text)), which is neither true nor false")
        }
    }

    /// Any text of one line.
    @Sendable static func oneLine(_ text: String) throws(SettingProblem) -> String {
        guard !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            throw SettingProblem("holds a line end or another control character")
        }
        return text
    }

    /// A secret, as it stands.
    @Sendable static func secret(_ text: String) throws(SettingProblem) -> Secret { Secret(text) }

    /// The text of a private key. The SSH library's wrapper mends its line ends and says what is wrong with it.
    @Sendable static func privateKey(_ text: String) throws(SettingProblem) -> Secret {
        let text = text.trimmingWhiteSpace()
        guard !text.isEmpty else { throw SettingProblem("holds nothing but white space") }
        return Secret(text)
    }

    /// A directory on the server. `.` is the login directory, which is the empty path.
    @Sendable static func directory(_ text: String) throws(SettingProblem) -> RemotePath {
        let text = try oneLine(text)
        guard text != "~" && !text.hasPrefix("~/") else {
            throw SettingProblem(
                "begins with ~, which SFTP does not know; paths without a leading / count from the login directory")
        }
        let parts = text.split(separator: "/", omittingEmptySubsequences: true).filter { $0 != "." }
        return RemotePath((text.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/"))
    }

    /// The beginning of object keys: no slash in front, one at the end.
    @Sendable static func keyPrefix(_ text: String) throws(SettingProblem) -> String {
        var prefix = String(text.drop { $0 == "/" })
        if !prefix.isEmpty && !prefix.hasSuffix("/") { prefix += "/" }
        guard prefix.utf8.count < ObjectKey.maximumBytes else {
            throw SettingProblem("has \(prefix.utf8.count) bytes; an object key has \(ObjectKey.maximumBytes) at most")
        }
        return prefix
    }

    /// What becomes of a file that was pulled.
    @Sendable static func afterPull(_ text: String) throws(SettingProblem) -> AfterPull {
        guard let afterPull = AfterPull(rawValue: text.lowercased()) else {
            throw SettingProblem("is \(shown(text)), which is none of done, delete and keep")
        }
        return afterPull
    }

    /// The name of one directory.
    @Sendable static func directoryName(_ text: String) throws(SettingProblem) -> RemoteName {
        let text = try oneLine(text)
        guard !text.utf8.contains(UInt8(ascii: "/")) else {
            throw SettingProblem(
                "is \(shown(text)), a path; it is the name of a directory that stands in every directory of the tree")
        }
        guard let name = RemoteName(bytes: Array(text.utf8)), name != .ours else {
            throw SettingProblem("is \(shown(text)), which no directory can be called")
        }
        return name
    }

    /// The form of the names of markers.
    @Sendable static func readyMarker(_ text: String) throws(SettingProblem) -> ReadyMarker {
        let text = try oneLine(text)
        do throws(ReadyMarkerFailure) {
            return try ReadyMarker(text)
        } catch {
            throw SettingProblem("is \(shown(text)), which \(error.reason)")
        }
    }

    /// How files are called on the server.
    @Sendable static func targetName(_ text: String) throws(SettingProblem) -> TargetName {
        let text = try oneLine(text)
        do throws(TargetNameFailure) {
            return try TargetName(text)
        } catch {
            throw SettingProblem("is \(shown(text)), which \(error.reason)")
        }
    }

    /// Permissions as `chmod` takes them.
    @Sendable static func mode(_ text: String) throws(SettingProblem) -> UInt32 {
        guard let mode = UInt32(text, radix: 8), mode <= 0o777, text.utf8.allSatisfy({ (0x30...0x37).contains($0) })
        else { throw SettingProblem("is \(shown(text)), which is no octal number from 0 to 777") }
        return mode
    }

    /// Permissions of a directory in which files can be made.
    @Sendable static func directoryMode(_ text: String) throws(SettingProblem) -> UInt32 {
        let mode = try mode(text)
        guard mode & 0o300 == 0o300 else {
            throw SettingProblem("is \(shown(text)), with which the directory's owner could put nothing into it")
        }
        return mode
    }

    /// Globs separated by commas or line ends.
    @Sendable static func globs(_ text: String) throws(SettingProblem) -> [Glob] {
        let separators: Set<Unicode.Scalar> = [",", "\n", "\r"]
        let patterns = text.unicodeScalars.split { separators.contains($0) }
            .map { String($0).trimmingWhiteSpace() }.filter { !$0.isEmpty }
        guard !patterns.isEmpty else { throw SettingProblem("holds no pattern") }
        guard patterns.count <= maximumPatterns else {
            throw SettingProblem("holds \(patterns.count) patterns, more than \(maximumPatterns)")
        }
        var globs: [Glob] = []
        for pattern in patterns {
            do throws(GlobFailure) {
                globs.append(try Glob(pattern))
            } catch {
                throw SettingProblem("holds the pattern \(shown(pattern)): \(error.reason)")
            }
        }
        return globs
    }

    /// Weak algorithms of SSH by their names, separated by commas or white space.
    @Sendable static func legacyAlgorithms(_ text: String) throws(SettingProblem) -> [LegacyAlgorithm] {
        var algorithms: [LegacyAlgorithm] = []
        let names = text.split { $0 == "," || $0.isWhitespace }
        guard !names.isEmpty else { throw SettingProblem("names no algorithm") }
        for name in names {
            guard let algorithm = LegacyAlgorithm(named: String(name)) else {
                throw SettingProblem("names \(shown(String(name))), which is none of the algorithms that it can allow")
            }
            if !algorithms.contains(algorithm) { algorithms.append(algorithm) }
        }
        return algorithms
    }

    /// More patterns than this do not fit the 4 KB that Lambda gives all variables together, if they mean anything.
    static let maximumPatterns = 500

    /// A value for people: quoted, on one line and not too long. For settings whose value cannot be a secret by
    /// mistake.
    static func shown(_ text: String) -> String {
        let limit = 60
        let start = text.unicodeScalars.prefix(limit)
        let cut = start.count < text.unicodeScalars.count ? "…" : ""
        return "\"\(printable(String(start).utf8))\(cut)\""
    }
}
