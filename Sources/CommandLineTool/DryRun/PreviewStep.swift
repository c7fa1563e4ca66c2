import JSON
import Transfers

/// One thing that a run would do, or leave.
enum PreviewStep: Sendable {
    case transfer(PlannedTransfer, bucket: String)
    case push(PlannedPush)
    case purge(RemotePath)
    case leave(subject: String, reason: String)
    case fail(subject: String, reason: String)

    /// The step as a person reads it.
    var text: String {
        switch self {
        case .transfer(let file, let bucket):
            let target = Printed.text("s3://\(bucket)/\(file.key)")
            let end = file.movesTo.map { "move it to " + Printed.text("\($0)") } ?? "leave it as it is"
            return "transfer  \(Printed.text("\(file.path)")) -> \(target) (\(Self.size(file.sizeBytes))), and \(end)"
        case .push(let push): return Self.text(push)
        case .purge(let path): return "remove    \(Printed.text("\(path)")): its retention is over"
        case .leave(let subject, let reason): return "leave     \(Printed.text(subject)): \(Self.explained(reason))"
        case .fail(let subject, let reason): return "fail      \(Printed.text(subject)): \(Printed.text(reason))"
        }
    }

    private static func text(_ push: PlannedPush) -> String {
        let object = Printed.text("s3://\(push.object)")
        guard push.action == .send else {
            return "mark      \(object): it has been delivered as \(Printed.text("\(push.path)"))"
        }
        let isDirectory = isDirectory(push)
        let present = isDirectory ? directory(push) : push.present.map { "replacing \(kind($0))" } ?? "a new file"
        // A new directory is the last of those that are made.
        let directories = push.missingDirectories.filter { $0 != push.path }.map { Printed.text("\($0)") }
        let made = directories.isEmpty ? "" : ", making the directories \(directories.joined(separator: ", "))"
        let measure = isDirectory ? "" : " (\(size(push.sizeBytes)))"
        return "send      \(object) -> \(Printed.text("\(push.path)"))\(measure), \(present)\(made)"
    }

    /// An object whose key ends in a slash stands for a directory (rule U1).
    private static func isDirectory(_ push: PlannedPush) -> Bool { push.object.key.text.hasSuffix("/") }

    private static func directory(_ push: PlannedPush) -> String {
        switch push.present?.kind {
        case nil: "a new directory"
        case .directory: "a directory, which is there"
        case .file, .symbolicLink, .special, .unknown: "a directory, where something else may stand already"
        }
    }

    private static func kind(_ present: RemoteAttributes) -> String {
        switch present.kind {
        case .file: "a file of \(size(present.version.sizeBytes))"
        case .directory: "a directory, which no server permits"
        case .symbolicLink: "a symbolic link"
        case .special: "a device, pipe or socket"
        case .unknown: "what stands there"
        }
    }

    private static func size(_ bytes: UInt64?) -> String {
        bytes.map { Printed.count($0, "byte") } ?? "size unknown"
    }

    /// The word of a reason, and what it means.
    static func explained(_ word: String) -> String {
        let meaning: String? =
            switch word {
            case Selection.Exception.excluded.rawValue: "SFTP_INCLUDE or SFTP_EXCLUDE leaves it out"
            case Selection.Exception.young.rawValue: "it was changed less than SFTP_MIN_FILE_AGE_SECONDS ago"
            case Selection.Exception.ageUnknown.rawValue: "the server does not say how old it is"
            case Selection.Exception.marker.rawValue: "it marks another file as complete (SFTP_READY_MARKER)"
            case Selection.Exception.unmarked.rawValue: "the marker of SFTP_READY_MARKER is not there, or is older"
            case Selection.Exception.growing.rawValue: "it changed between two looks (SFTP_STEADY_SECONDS)"
            case Selection.Exception.pulledBefore.rawValue: "it was pulled before, and stays (SFTP_AFTER_PULL=keep)"
            case Selection.Exception.symbolicLink.rawValue: "links are not followed"
            case Selection.Exception.special.rawValue: "it is a device, pipe or socket"
            case Selection.Exception.kindUnknown.rawValue: "the server does not say what it is"
            case Selection.Exception.unsafeName.rawValue: "a name that could lead elsewhere is not followed"
            case Selection.Exception.reservedName.rawValue: "the name belongs to this program"
            case Selection.Exception.temporary.rawValue: "push is writing it, or was when it died"
            case PushDecision.Reason.gone.rawValue: "there is no such object or file any more"
            case PushDecision.Reason.pulled.rawValue: "it was pulled from this very server"
            case PushDecision.Reason.marked.rawValue: "it is marked as sent there"
            case PushDecision.Reason.checkpoint.rawValue: "it says how far a pull has come"
            default: nil
            }
        return meaning.map { "\(word), \($0)" } ?? word
    }
}

extension PreviewStep: JSONWritable {
    /// Writes an object with `action` and what belongs to it.
    func write(to text: inout JSONText) {
        text.object { text in
            switch self {
            case .transfer(let file, let bucket):
                text.member("action", "transfer")
                text.member("bucket", bucket)
                text.member("key", file.key.text)
                text.member("movesTo", file.movesTo.map { "\($0)" })
                text.member("path", "\(file.path)")
                text.member("sizeBytes", file.sizeBytes)
            case .push(let push):
                text.member("action", push.action.rawValue)
                text.member("bucket", push.object.bucket)
                text.member("key", push.object.key.text)
                text.member("makes", push.missingDirectories.map { "\($0)" })
                text.member("path", "\(push.path)")
                text.member("replaces", Self.isDirectory(push) ? nil : push.present?.kind.rawValue)
                text.member("sizeBytes", push.sizeBytes)
            case .purge(let path):
                text.member("action", "purge")
                text.member("path", "\(path)")
            case .leave(let subject, let reason):
                text.member("action", "leave")
                text.member("reason", reason)
                text.member("subject", subject)
            case .fail(let subject, let reason):
                text.member("action", "fail")
                text.member("reason", reason)
                text.member("subject", subject)
            }
        }
    }
}
