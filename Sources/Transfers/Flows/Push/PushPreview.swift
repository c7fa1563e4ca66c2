/// Says what a push would do, and changes nothing: neither on the partner's server nor in S3.
public struct PushPreview: Sendable {
    private let plan: PushPlan
    private let objects: any SourceObjects
    private let files: UnchangedFiles
    private let clock: any Clock
    private let observer: any PushObserver
    private let planned: @Sendable (PlannedPush) -> Void

    /// Makes a preview.
    /// - Parameters:
    ///   - files: the partner's server, which is only looked at.
    ///   - observer: hears what would need nothing, or fail.
    ///   - planned: hears what would be sent or marked.
    public init(
        plan: PushPlan, objects: any SourceObjects, files: any RemoteFiles, clock: any Clock,
        observer: any PushObserver, planned: @escaping @Sendable (PlannedPush) -> Void
    ) {
        self.plan = plan
        self.objects = objects
        self.files = UnchangedFiles(files: files)
        self.clock = clock
        self.observer = observer
        self.planned = planned
    }

    /// Looks at what the event asks for. What the summary counts as delivered and marked is what a push would deliver and
    /// mark.
    public func run(_ event: IncomingEvent) async -> PushSummary {
        let ledger = PushLedger(clock: clock, observer: observer)
        await withDiscardingTaskGroup { group in
            // As many at once as a push has in flight.
            let lanes = min(plan.objectsAtOnce, event.requests.count)
            for lane in 0..<lanes {
                let mine = stride(from: lane, to: event.requests.count, by: lanes).map { event.requests[$0] }
                group.addTask { for request in mine { await look(at: request, ledger) } }
            }
        }
        ledger.note(event.ignored)
        for failure in event.failures { ledger.failed(.event(messageID: failure.itemID), failure.error) }
        return ledger.summary
    }

    private func look(at request: PushRequest, _ ledger: PushLedger) async {
        do throws(PushFailure) {
            switch try await foresee(request) {
            case .success(let push):
                ledger.planned(push)
                planned(push)
            case .failure(let nothing): ledger.note(.skipped(nothing.reason), of: request.address)
            }
        } catch {
            ledger.note(.failed(error), of: request.address)
        }
    }

    /// Why nothing would be done.
    private struct Nothing: Error {
        let reason: PushDecision.Reason
    }

    private func foresee(_ request: PushRequest) async throws(PushFailure) -> Result<PlannedPush, Nothing> {
        if Checkpoint.isKept(under: request.key) { return .failure(Nothing(reason: .checkpoint)) }
        try plan.check(request.key)
        let object: (any SourceObject)?
        do throws(StoreFailure) {
            object = try await objects.current(request.address)
        } catch {
            throw PushFailure(error)
        }
        guard let summary = object?.summary else { return .failure(Nothing(reason: .gone)) }
        let target = try plan.target(for: request.key, summary)
        var push = PlannedPush(
            action: .send, object: request.address, path: target.path.path, sizeBytes: summary.sizeBytes)
        switch target.decision(for: request, summary) {
        case .nothingToDo(let reason): return .failure(Nothing(reason: reason))
        case .markOnly:
            push.action = .mark
            return .success(push)
        case .send: break
        }
        try target.check(summary)
        push.present = try await attributes(of: target.path.path)
        for directory in target.path.directories where try await attributes(of: directory) == nil {
            push.missingDirectories.append(directory)
        }
        return .success(push)
    }

    private func attributes(of path: RemotePath) async throws(PushFailure) -> RemoteAttributes? {
        do throws(RemoteFailure) {
            return try await files.attributes(of: path)
        } catch {
            throw PushFailure(error)
        }
    }
}

/// What a push would do with an object.
public struct PlannedPush: Hashable, Sendable {
    /// What would be done.
    public enum Action: String, Hashable, Sendable {
        /// The object would be sent, and marked.
        case send
        /// It has been delivered, and would be marked.
        case mark
    }

    /// What would be done.
    public var action: Action
    /// The object.
    public var object: ObjectAddress
    /// Where it would stand on the server.
    public var path: RemotePath
    /// Its size.
    public var sizeBytes: UInt64
    /// What stands there now.
    public var present: RemoteAttributes?
    /// The directories that would be made.
    public var missingDirectories: [RemotePath] = []
}
