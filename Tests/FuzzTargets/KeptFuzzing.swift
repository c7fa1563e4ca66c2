import JSON
import TextForms

@testable import Transfers

/// What the flows keep in the bucket, and read again from where others can write too.
enum KeptFuzzing {
    // MARK: Checkpoints

    static func checkpoint(_ bytes: [UInt8]) throws {
        guard let checkpoint = Checkpoint(parsing: bytes) else { return }
        try must(Checkpoint(parsing: checkpoint.jsonBytes) == checkpoint, "\(checkpoint) becomes another")
        let parts = checkpoint.progress.parts
        try must((1...PartPlan.maximumParts).contains(parts.count), "\(parts.count) parts")
        try must(checkpoint.attempts >= 1 && checkpoint.partBytes >= 0, "\(checkpoint)")
        for text in parts.flatMap({ [$0.etag, $0.sha256] }) + [checkpoint.progress.digest] {
            try must((1...256).contains(text.utf8.count), "a text of \(text.utf8.count) bytes")
        }
        // Its own place and version, as far as they can be, so that nothing but the sizes decides.
        guard
            let place = Checkpoint.Place(
                origin: checkpoint.origin, path: RemotePath(bytes: Array(checkpoint.path.utf8)),
                fileKey: checkpoint.key,
                prefix: "", sha256: { _ in String(repeating: "a1", count: 32) })
        else { return }
        let version = FileVersion(sizeBytes: checkpoint.sizeBytes, modified: checkpoint.modified)
        guard checkpoint.isOf(place, version) else { return }
        let (storedBytes, overflow) = UInt64(parts.count - 1).multipliedReportingOverflow(
            by: UInt64(checkpoint.partBytes))
        try must(!overflow && storedBytes < checkpoint.sizeBytes, "\(storedBytes) of \(checkpoint.sizeBytes) bytes")
        let longer = FileVersion(sizeBytes: checkpoint.sizeBytes &+ 1, modified: checkpoint.modified)
        try must(!checkpoint.isOf(place, longer), "it is that of a file of another size too")
    }

    // MARK: Marks

    private static let destination = Destination(origin: "h:22:u", sha256: String(repeating: "0f", count: 32))
    private static let other = Destination(origin: "i:22:u", sha256: String(repeating: "1e", count: 32))

    /// Metadata, a name and a value in each line.
    static func marks(_ bytes: [UInt8]) throws {
        var metadata: [String: String] = [:]
        for line in bytes.split(separator: 0x0A) {
            let parts = line.split(separator: 0x3D, maxSplits: 1, omittingEmptySubsequences: false)
            metadata[String(decoding: parts[0], as: UTF8.self)] = String(decoding: parts.last ?? [], as: UTF8.self)
        }
        let stored = UnixTime(seconds: 1_772_360_130)
        let head = ObjectSummary(etag: "\"0123\"", sizeBytes: 1_024, lastModified: stored, metadata: metadata)
        let listed = FileVersion(sizeBytes: 1_024, modified: stored)
        try must(
            !PulledVersion.isStored(listed, from: "another", in: head) || metadata["synced-from"] == "another",
            "it was pulled from another server")
        try checkMarking(head, now: UnixTime(seconds: stored.seconds + 5))
    }

    private static func checkMarking(_ head: ObjectSummary, now: UnixTime) throws {
        let marked = SyncMark.marked(head, as: destination, now: now)
        for (name, value) in head.metadata where !name.hasPrefix("synced") {
            try must(marked[name] == value, "\(name) is not kept")
        }
        var copy = ObjectSummary(etag: "\"4567\"", sizeBytes: head.sizeBytes, lastModified: now, metadata: marked)
        guard let mark = SyncMark(metadata: marked) else { throw FuzzFinding(description: "no mark: \(marked)") }
        try must(mark.isOf(copy) && mark.counts(for: destination), "the mark is not that of its object: \(marked)")
        try must(mark.etags.first?.text == "0123", "the mark is that of \(mark.etags)")
        try must(
            mark.destinations.count <= SyncMark.maximumListed && mark.etags.count <= SyncMark.maximumListed,
            "\(mark.destinations.count) destinations and \(mark.etags.count) ETags")
        try must(
            SyncMark.contentTime(of: copy) == SyncMark.contentTime(of: head), "the content has another time: \(marked)")
        // A mark for a second destination leaves that of the first.
        copy.metadata = SyncMark.marked(copy, as: other, now: now)
        guard let both = SyncMark(metadata: copy.metadata) else { throw FuzzFinding(description: "no second mark") }
        try must(both.counts(for: destination) && both.counts(for: other), "one mark drives the other out: \(both)")
        try must(
            SyncMark.marked(copy, as: other, now: now)["synced-to"] == copy.metadata["synced-to"],
            "marked once more, it lists others")
    }
}
