import Foundation
import TestKit
import Transfers

/// One fault, or one end of the process, in the midst of a function's work: what must hold behind it, and that the next
/// healthy runs complete the work.
struct FaultTrial: Sendable {
    let world: FaultWorld
    let function: String
    var content = FaultCase.Content.small
    var change = FaultCase.Change.none
    /// Told apart from those of other trials.
    var salt: UInt8 = 1

    private static let older = Array("older".utf8)
    /// The file that was there before, at the target.
    private static let replacedName = "two/second"

    private var isPull: Bool { function == "pull" }

    private var contents: [String: [UInt8]] {
        switch content {
        case .small:
            [
                "new/first": sampleBytes(3000, salt: salt), "empty": [],
                Self.replacedName: sampleBytes(300_000, salt: salt),
            ]
        case .parts: [Self.replacedName: sampleBytes(PartPlan.partBytes + 100_000, salt: salt)]
        }
    }

    // MARK: Before

    func prepare() async throws {
        try await world.reset()
        for (name, bytes) in contents {
            if isPull {
                try world.place("\(FaultWorld.sourceFolder)/\(name)", bytes)
            } else {
                // With the time that pull keeps, which push sets.
                try await world.put(name, bytes, metadata: ["mtime": "1700000000"])
                if function == "pushRetry" { try await world.queue(try event([name])) }
            }
        }
        if isPull {
            try world.place("\(FaultWorld.sourceFolder)/two/.done/second", Self.older)
            try await world.put("in/\(Self.replacedName)", Self.older)
        } else {
            try world.place("\(FaultWorld.targetFolder)/\(Self.replacedName)", Self.older)
        }
    }

    /// What the function is invoked with.
    func event() throws -> String { function == "push" ? try event(contents.keys.sorted()) : "{}" }

    private func event(_ keys: [String]) throws -> String {
        try PushWorld.notification(
            of: keys.map { key in
                let digest = ReferenceSHA256.hexadecimal(contents[key] ?? [])
                return PushWorld.Version(
                    key: key, bytes: contents[key] ?? [], etag: "\"\(digest.prefix(32))\"", versionID: nil)
            })
    }

    // MARK: What must hold

    /// All that a file may hold without anybody having made a half of it.
    private func versions(of name: String) -> [[UInt8]] {
        let bytes = contents[name] ?? []
        guard name == FaultCase.changedName else { return [bytes] }
        switch change {
        case .none, .removed: return [bytes]
        case .appended: return [bytes, bytes + Array("more".utf8), Array("more".utf8)]
        case .halved: return [bytes, Array(bytes.prefix(bytes.count / 2))]
        case .replaced: return [bytes, Array("another one".utf8)]
        }
    }

    /// What does not hold that must, right behind the fault.
    /// - Parameter isKept: Lambda keeps the event.
    func problems(isKept: Bool) async throws -> [String] {
        isPull ? try await pullProblems() : try await pushProblems(isKept: isKept)
    }

    private func pullProblems() async throws -> [String] {
        var problems: [String] = []
        let files = try world.files(below: FaultWorld.sourceFolder)
        let objects = try await world.objects()
        for name in contents.keys {
            let newest = versions(of: name)
            let object = objects["in/\(name)"]?.bytes
            if let object, !newest.contains(object), object != Self.older {
                problems.append("\(name): an object that never was, of \(object.count) bytes")
            }
            if let file = files[name] {
                if !newest.contains(file) { problems.append("\(name): the file was changed by us") }
            } else if change != .removed || name != FaultCase.changedName, !newest.contains(object ?? Self.older) {
                problems.append("\(name) is neither at its place nor stored")
            }
        }
        for (path, bytes) in files where path.contains(".done/") {
            let stored = objects["in/\(path.replacing(".done/", with: ""))"]?.bytes
            if bytes != stored, bytes != Self.older { problems.append("\(path) is not the stored object") }
        }
        return problems
    }

    private func pushProblems(isKept: Bool) async throws -> [String] {
        var problems: [String] = []
        let files = try world.files(below: FaultWorld.targetFolder)
        let objects = try await world.objects()
        for (path, bytes) in files {
            let isOlder = path == Self.replacedName && bytes == Self.older
            if let expected = contents[path], expected != bytes, !isOlder {
                problems.append("\(path): neither version, \(bytes.count) bytes")
            } else if contents[path] == nil, !Self.isTemporary(path) {
                problems.append("\(path) is nobody's")
            }
        }
        let waiting = try await world.state().messages.joined().replacing("\\/", with: "/")
        for (key, bytes) in contents {
            guard let object = objects[key], object.bytes == bytes else {
                problems.append("the object \(key) is another one")
                continue
            }
            if isMarked(object) {
                if files[key] != bytes { problems.append("\(key) is marked and does not stand on the server") }
            } else if !isKept, !waiting.contains("\"\(key)\"") {
                problems.append("\(key) is not done and nobody knows")
            }
        }
        return problems
    }

    private func isMarked(_ object: FaultWorld.Object) -> Bool { object.metadata["x-amz-meta-synced"] == "true" }

    private static func isTemporary(_ path: String) -> Bool {
        path.split(separator: "/").last.flatMap { RemoteName(bytes: Array($0.utf8)) }.map(TemporaryName.isOurs) ?? false
    }

    /// A rename that follows a write or a close that failed.
    func forbiddenRenames() throws -> [String] {
        var broken: Set<String> = []
        var problems: [String] = []
        for line in try world.seenBySFTP() where line.rule == nil {
            let hasFailed = (line.status ?? 0) != 0
            if ["write", "close"].contains(line.request), hasFailed { broken.insert(line.path) }
            if line.request == "rename", broken.contains(line.path), Self.isTemporary(line.path) {
                problems.append("\(line.path) was renamed although it was not written whole")
            }
        }
        return problems
    }

    /// How far the work has come: files that are where they should be, and whether anything was begun.
    func doneCount() async throws -> (done: Int, isAll: Bool, hasBegun: Bool) {
        let objects = try await world.objects()
        let files = try world.files(below: isPull ? FaultWorld.sourceFolder : FaultWorld.targetFolder)
        let done = contents.count { name, bytes in
            isPull ? objects["in/\(name)"]?.bytes == bytes && files[name] == nil : objects[name].map(isMarked) == true
        }
        let hasBegun =
            isPull
            ? contents.contains { objects["in/\($0)"]?.bytes == $1 } : files.keys.contains { $0 != Self.replacedName }
        return (done, done == contents.count, hasBegun)
    }

    // MARK: Afterwards

    /// How often the healthy functions may have to come by.
    private static let maximumRuns = 3

    /// Lets the healthy functions complete the work.
    /// - Returns: what is not as it should be in the end.
    func complete(isKept: Bool) async throws -> [String] {
        var problems: [String] = []
        if function == "push", isKept {
            let again = try await world.invoke("push", try event(), timeoutSeconds: 30)
            if let error = again.outcome.functionError { problems.append("the second push: \(error)") }
        }
        if isPull {
            let again = try await world.invoke("pull", "{}", timeoutSeconds: 30)
            if again.outcome.functionError != nil { problems.append("the second run: \(again.outcome.text)") }
            return try await problems + unpulled()
        }
        for _ in 0..<Self.maximumRuns where !(try await world.state().messages.isEmpty) {
            try await world.showMessages()
            _ = try await world.invoke("pushRetry", "{}", timeoutSeconds: 30)
        }
        let messages = try await world.state().messages
        if !messages.isEmpty { problems.append("messages stay on the queue: \(messages.map { $0.prefix(300) })") }
        return try await problems + unpushed()
    }

    private func unpulled() async throws -> [String] {
        var problems: [String] = []
        let objects = try await world.objects()
        let files = try world.files(below: FaultWorld.sourceFolder)
        for name in contents.keys {
            let isGone = change == .removed && name == FaultCase.changedName
            if !isGone, !versions(of: name).contains(objects["in/\(name)"]?.bytes ?? Self.older) {
                problems.append("\(name) is not the current object")
            }
            if files[name] != nil { problems.append("\(name) is still at its place") }
        }
        return problems
    }

    private func unpushed() async throws -> [String] {
        var problems: [String] = []
        let files = try world.files(below: FaultWorld.targetFolder)
        let objects = try await world.objects()
        for (key, bytes) in contents {
            if files[key] != bytes { problems.append("\(key) does not stand on the server") }
            if objects[key].map(isMarked) != true { problems.append("\(key) is not marked") }
        }
        return problems
    }
}
