import Transfers

@testable import SFTPLambdaCore

enum SettingsFuzzing {
    // MARK: Settings

    /// Values divided by zero bytes, each behind a byte that says which setting it is.
    static func settings(_ bytes: [UInt8]) throws {
        var environment: [String: String] = [:]
        for entry in bytes.split(separator: 0) {
            guard let first = entry.first else { continue }
            let declarations = Settings.declarations
            environment[declarations[Int(first) % declarations.count].name] =
                String(decoding: entry.dropFirst(), as: UTF8.self)
        }
        do throws(SettingsError) {
            _ = try PullSettings(environment: environment)
        } catch { try check(error, environment) }
        for function in [LambdaFunction.push, .pushRetry] {
            do throws(SettingsError) {
                _ = try PushSettings(environment: environment, for: function)
            } catch { try check(error, environment) }
        }
        do throws(SettingsError) {
            _ = try SecretDocument(String(decoding: bytes, as: UTF8.self))
        } catch {
            try must(!shows(error.errorMessage, pieceOf: bytes), "the error shows the secret: \(error)")
        }
    }

    private static func check(_ error: SettingsError, _ environment: [String: String]) throws {
        try must(!error.faults.isEmpty, "an error without a fault")
        for fault in error.faults { try must(isOfOneLine(fault.description), "not of one line: \(fault)") }
        let shown = Settings.declarations.filter { !$0.isSecret }.compactMap { environment[$0.name] }
        for declaration in Settings.declarations where declaration.isSecret {
            let secret = Array((environment[declaration.name] ?? "").utf8)
            // What somebody has put into a setting that may be shown as well, is shown from there.
            if shown.contains(where: { shows($0, pieceOf: secret) }) { continue }
            try must(!shows(error.errorMessage, pieceOf: secret), "the error shows \(declaration.name): \(error)")
        }
    }

    // MARK: Patterns

    /// A pattern, a zero byte, and what it is compared with.
    static func patterns(_ bytes: [UInt8]) throws {
        let end = bytes.firstIndex(of: 0) ?? bytes.endIndex
        let pattern = String(decoding: bytes[..<end], as: UTF8.self)
        // No key and no path is longer.
        let subject = Array(bytes[end...].dropFirst().prefix(ObjectKey.maximumBytes))
        try glob(pattern, subject)
        let key = String(decoding: subject, as: UTF8.self)
        try targetName(pattern, key)
        try marker(pattern, subject)
        let strip: KeyPattern
        do throws(SettingProblem) {
            strip = try KeyPattern(pattern)
        } catch {
            try must(isOfOneLine(error.text), "the problem is not of one line: \(error.text)")
            return
        }
        guard let (before, after) = strip.parts(of: key) else { return }
        try must(key.utf8.starts(with: before.utf8), "\(before) is no beginning of \(key)")
        try must(key.utf8.reversed().starts(with: after.utf8.reversed()), "\(after) is no end of \(key)")
        try must(before.utf8.count + after.utf8.count <= key.utf8.count, "more than the key is left of it")
        try must(strip.stripped(from: key).utf8.elementsEqual((before + after).utf8), "two answers")
    }

    /// The marker of a file is one, and is not the file.
    private static func marker(_ form: String, _ name: [UInt8]) throws {
        let marker: ReadyMarker
        do throws(ReadyMarkerFailure) {
            marker = try ReadyMarker(form)
        } catch {
            try must(isOfOneLine(error.reason), "the reason is not of one line: \(error.reason)")
            return
        }
        guard let file = RemoteName(bytes: name), let own = marker.name(for: file) else { return }
        try must(marker.isMarker(own.bytes), "\(own) is not taken for the marker of \(file) by \(form)")
        try must(
            own != file && own.bytes.count <= RemoteName.maximumBytes, "\(own) is the marker of \(file) by \(form)")
    }

    /// Whatever the template and the key, the path lies below the directory, and another key has another one.
    private static func targetName(_ template: String, _ text: String) throws {
        let name: TargetName
        do throws(TargetNameFailure) {
            name = try TargetName(template)
        } catch {
            try must(isOfOneLine(error.reason), "the reason is not of one line: \(error.reason)")
            return
        }
        guard let path = path(text, name) else { return }
        let names = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        try must(
            names.count > 1 && names[0].elementsEqual("in".utf8)
                && names.dropFirst().allSatisfy { RemoteName(bytes: Array($0)) != nil },
            "\(text) leads elsewhere by \(template)")
        for other in [text + ".", text + ".x", "x" + text, "a/" + text, String(text.dropLast())]
        where !other.utf8.elementsEqual(text.utf8) {
            try must(self.path(other, name) != path, "\(text) and \(other) are one file by \(template)")
        }
    }

    /// Nil for what is refused, which leads nowhere, and for directories.
    private static func path(_ text: String, _ name: TargetName) -> [UInt8]? {
        guard let key = ObjectKey(text),
            let target = try? TargetPath(of: key, below: RemotePath("in"), name: name), case .file = target.kind
        else { return nil }
        return target.path.bytes
    }

    private static func glob(_ pattern: String, _ subject: [UInt8]) throws {
        if let glob = try? Glob(pattern) {
            // With a slash in front it is compared with the whole path.
            _ = glob.matches(subject)
        }
        // A text with every sign taken literally is found in itself, and with a byte more it is not.
        let literal = "/" + String(decoding: subject, as: UTF8.self).unicodeScalars.map { "\\\($0)" }.joined()
        guard let glob = try? Glob(literal) else { return }
        let own = Array(String(decoding: subject, as: UTF8.self).utf8)
        try must(glob.matches(own), "\(literal) does not match itself")
        try must(!glob.matches(own + [UInt8(ascii: "x")]), "\(literal) matches more than itself")
    }
}
