import Logging
import Synchronization
import Transfers

/// Those of the objects that somebody named which are not there. Of an event that is no failure, since its object may have
/// gone meanwhile; whoever names one has mistaken its name. The log names each, with a warning.
final class MissingObjects: Sendable {
    private let found = Mutex<[ObjectAddress]>([])
    private let logger: Logger
    private static let shown = 10

    init(logger: Logger) { self.logger = logger }

    /// In the order in which they were looked at.
    var all: [ObjectAddress] { found.withLock { $0 } }

    /// What hears of each object, and tells the next one.
    func noting(_ next: any PushObserver) -> any PushObserver { Observer(missing: self, next: next) }

    /// For people.
    var lines: [String] {
        let all = all
        guard !all.isEmpty else { return [] }
        var lines = ["no such object, or no such bucket: \(Printed.number(all.count))"]
        lines += all.prefix(Self.shown).map { "  s3://\(Printed.text("\($0)"))" }
        if all.count > Self.shown { lines.append("  and \(Printed.number(all.count - Self.shown)) more: see the log") }
        return lines
    }

    private func add(_ object: ObjectAddress) {
        found.withLock { $0.append(object) }
        logger.warning(
            "no such object, or no such bucket",
            metadata: ["bucket": .string(object.bucket), "key": "\(object.key)"])
    }

    private struct Observer: PushObserver {
        let missing: MissingObjects
        let next: any PushObserver

        func skipped(_ object: ObjectAddress, because reason: PushDecision.Reason) {
            if reason == .gone { missing.add(object) }
            next.skipped(object, because: reason)
        }

        func found(_ object: ObjectAddress) { next.found(object) }
        func foundAll() { next.foundAll() }
        func delivered(_ receipt: PushReceipt) { next.delivered(receipt) }
        func marked(_ object: ObjectAddress) { next.marked(object) }
        func ignored(_ item: IncomingEvent.Ignored) { next.ignored(item) }
        func failed(_ subject: PushSubject, _ account: FailureAccount) { next.failed(subject, account) }
        func warning(_ message: String, because reason: String) { next.warning(message, because: reason) }
    }
}
