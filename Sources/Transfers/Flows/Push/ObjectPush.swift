/// Pushes one object: look, send, replace, look again, mark (rules U1 to U6, U8).
///
/// What must hold however many pushes of the object run at once, and wherever each of them ends: when all have ended,
/// the newest version stands on the server, and a mark is true. Three things make it so.
///
/// - Whoever has replaced the file looks at the object afterwards, and sends again what is newer by then, whatever its
///   mark says: he may have put an older version over it (rule U5).
/// - Who fails after he has touched the file says so in the message for another try, which then believes no mark
///   (`ObjectEvent.mustSend`). Who just ends is tried again by Lambda or from the queue with the same event, which names
///   an older version than the one that is marked, and so the mark is not believed (rule U2). This also holds before the
///   file is touched: that another push has marked the version that is being sent ends this one only if its own event
///   would have.
/// - A mark is set only on the very object that was sent (rule U6).
struct ObjectPush: Sendable {
    let plan: PushPlan
    let objects: any SourceObjects
    let server: ServerAccess
    let budget: ByteBudget
    let clock: any Clock

    /// How often an object may be replaced by a newer one while it is pushed, before it is left to the retry queue.
    private static let maximumVersions = 10

    /// Pushes what the request asks for. Never throws: what becomes of it is the outcome.
    func run(_ request: PushRequest) async -> PushOutcome {
        // Whether an older version may stand on the server by this push's own doing, or no whole file.
        var mayHaveReplaced = false
        if Checkpoint.isKept(under: request.key) { return .skipped(.checkpoint) }
        do throws(PushFailure) {
            try plan.check(request.key)
            var begun = plan.begun(of: request)
            let outcome = try await run(request, startedAt: clock.uptimeSeconds, &mayHaveReplaced, &begun)
            // What earlier pushes have begun is of no use any more.
            for file in begun { await discard(file) }
            return outcome
        } catch {
            return .failed(error.sendingAgain(mayHaveReplaced))
        }
    }

    private func run(
        _ request: PushRequest, startedAt start: Double, _ mayHaveReplaced: inout Bool, _ begun: inout [BegunFile]
    ) async throws(PushFailure) -> PushOutcome {
        let address = ObjectAddress(bucket: request.bucket, key: request.key)
        var delivered: PushReceipt?
        for _ in 0..<Self.maximumVersions {
            guard let object = try await look(address) else {
                return delivered.map { .delivered($0) } ?? .skipped(.gone)
            }
            let target = try plan.target(for: request.key, object.summary)
            if !mayHaveReplaced {
                switch target.decision(for: request, object.summary) {
                case .nothingToDo(let reason): return .skipped(reason)
                case .markOnly:
                    guard try await markOnly(object, target) else { continue }
                    return .marked
                case .send: break
                }
            }
            try target.check(object.summary)
            guard let sent = ETag(object.summary.etag) else {
                throw PushFailure(.store, "\(address): the store gives it no ETag that can be used")
            }
            // One file is gone on with, whatever the number of those that were begun.
            let partial = begun.first {
                $0.file.etag == sent && $0.target.destination == target.destination
            }?.file
            for other in begun where other.file != partial { await discard(other) }
            // From here on it has another name, or none, and what is said of it is in the failure.
            begun = []
            let delivery = FileDelivery(
                plan: plan, server: server, budget: budget, target: target, object: object, partial: partial,
                clock: clock,
                look: { [mayHaveReplaced] () throws(PushFailure) in
                    guard let now = try await look(address), PushDecision.isVersion(sent, of: now.summary),
                        mayHaveReplaced || target.decision(for: request, now.summary) == .send
                    else { return nil }
                    return now
                })
            switch try await delivery.run() {
            case .superseded(let hasReplaced):
                mayHaveReplaced = mayHaveReplaced || hasReplaced
            case .delivered(let object, let sha256):
                mayHaveReplaced = true
                let receipt = receipt(of: object.summary, sha256, address, target, startedAt: start)
                delivered = receipt
                switch try await settle(object, sent, address, target) {
                case .settled: return .delivered(receipt)
                case .unmarked(let failure): return .unmarked(receipt, failure, target.destination)
                case .superseded: break
                }
            }
        }
        throw PushFailure(.store, "\(address): it was replaced by a newer version again and again while it was pushed")
    }

    /// Removes what earlier pushes of the request have left.
    /// - Parameter kept: the one that stays.
    func discardPartials(of request: PushRequest, except kept: RemoteName?) async {
        for begun in plan.begun(of: request) where begun.file.name != kept { await discard(begun) }
    }

    /// Removes what an earlier push has left, also when the task is cancelled.
    private func discard(_ begun: BegunFile) async {
        await Task {
            // Without a connection it stays, under a name that tells that it is ours.
            guard let (destination, _) = try? await server.destination() else { return }
            try? await destination.removeFile(begun.path)
        }.value
    }

    // MARK: The looks

    private func look(_ address: ObjectAddress) async throws(PushFailure) -> (any SourceObject)? {
        do throws(StoreFailure) {
            return try await objects.current(address)
        } catch {
            throw PushFailure(error)
        }
    }

    private enum Settlement {
        /// It is marked, or is no longer there.
        case settled
        /// It stands on the server and the mark was refused.
        case unmarked(PushFailure)
        /// There is a newer one.
        case superseded
    }

    /// How often a mark is tried that others get in the way of: other flows mark the same object for their servers.
    private static let maximumMarks = 5

    /// Marks what stands on the server. Where that fails, and where it is marked already, a look says whether it is
    /// still the current version (rule U5).
    private func settle(
        _ delivered: any SourceObject, _ sent: ETag, _ address: ObjectAddress, _ target: PushTarget
    ) async throws(PushFailure) -> Settlement {
        var object = delivered
        for _ in 0..<Self.maximumMarks {
            var refusal: StoreFailure?
            if target.needsMark(object.summary, sent) {
                do throws(StoreFailure) {
                    try await object.setMetadata(target.marked(object.summary, at: clock.now))
                    return .settled
                } catch {
                    refusal = error
                }
            }
            let now: (any SourceObject)?
            do throws(PushFailure) {
                now = try await look(address)
            } catch {
                // It stands on the server, that much is known. The retry only marks it, if it is the current version.
                guard let refusal, !refusal.meansSuperseded else { throw error }
                return .unmarked(PushFailure(unmarked: refusal))
            }
            switch PushDecision.afterSending(sent, head: now?.summary, destination: target.destination) {
            case .gone, .settled: return .settled
            case .sendAgain: return .superseded
            case .mark:
                guard let now else { return .settled }
                if let refusal, !refusal.meansSuperseded { return .unmarked(PushFailure(unmarked: refusal)) }
                object = now
            }
        }
        return .superseded
    }

    /// Marks what an earlier push has delivered (rule U8); false when it is no longer the current version.
    private func markOnly(_ object: any SourceObject, _ target: PushTarget) async throws(PushFailure) -> Bool {
        do throws(StoreFailure) {
            try await object.setMetadata(target.marked(object.summary, at: clock.now))
            return true
        } catch {
            if error.meansSuperseded { return false }
            throw PushFailure(unmarked: error)
        }
    }

    private func receipt(
        of summary: ObjectSummary, _ sha256: String?, _ address: ObjectAddress, _ target: PushTarget,
        startedAt start: Double
    ) -> PushReceipt {
        PushReceipt(
            object: address, path: target.path.path, etag: summary.etag, versionID: summary.versionID,
            sizeBytes: summary.sizeBytes, sha256: sha256,
            durationMilliseconds: Int64((clock.uptimeSeconds - start) * 1000))
    }
}
