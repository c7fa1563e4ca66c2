import Synchronization
import TestKit
import Testing

@testable import Transfers

/// One push at a time: what it sends, what it leaves, and how it fails.
struct PushTests {
    private static let content = Array("content".utf8)
    private static let older = Array("older".utf8)

    private func world(
        _ key: String = "a/b", _ change: (inout PushWorld.Behaviour) -> Void = { _ in }
    ) -> PushWorld {
        var behaviour = PushWorld.Behaviour()
        change(&behaviour)
        let world = PushWorld(behaviour)
        world.tree.makeDirectory("/in")
        world.store.plant(key, Self.content)
        return world
    }

    private func failure(_ outcome: PushOutcome) -> PushFailure? {
        if case .failed(let failure) = outcome { failure } else { nil }
    }

    @Test func objectArrivesUnderItsNameWithItsTimeAndIsMarked() async throws {
        let world = world()
        world.store.plant("a/b", Self.content, metadata: ["mtime": "1600000000.5", "other": "kept"])
        let outcome = await world.push("a/b", event: Self.content)
        guard case .delivered(let receipt) = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(receipt.path == "/in/a/b")
        #expect(receipt.sizeBytes == UInt64(Self.content.count))
        #expect(receipt.sha256 == ReferenceSHA256.hexadecimal(Self.content))
        #expect(world.tree.files() == ["/in/a/b": Self.content])
        #expect(world.tree.modified("/in/a/b") == UnixTime(seconds: 1_600_000_000))
        #expect(world.isMarked("a/b", at: "/in/a/b"))
        #expect(world.store.current("a/b")?.metadata["other"] == "kept")
    }

    @Test func secondEventOfTheSameVersionCostsOneLookAndNoConnection() async {
        let world = world()
        _ = await world.push("a/b", event: Self.content)
        let looks = world.looks
        let outcome = await world.push("a/b", event: Self.content)
        guard case .skipped(.marked) = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(world.connections == 1)
        #expect(world.looks == looks + 1)
    }

    @Test func emptyObjectAndLargeObjectArriveWhole() async {
        let large = (0..<300_000).map { UInt8(truncatingIfNeeded: $0) }
        for content in [[], large] {
            let world = world()
            world.store.plant("a/b", content)
            _ = await world.push("a/b")
            #expect(world.tree.files() == ["/in/a/b": content])
        }
    }

    @Test func keyEndingInASlashMakesADirectory() async {
        let world = world()
        world.store.plant("x/y/", [])
        let outcome = await world.push("x/y/")
        guard case .delivered = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(world.tree.exists("/in/x/y"))
        #expect(world.isMarked("x/y/", at: "/in/x/y"))
    }

    @Test(arguments: ["../a", "a/../../b", "/a", "a//b", "./a"])
    func keyThatWouldLeaveTheTargetDirectoryIsRefusedForGood(key: String) async {
        let world = world(key)
        let outcome = await world.push(key)
        #expect(failure(outcome)?.reason == .refused)
        #expect(world.tree.files() == [:])
        #expect(world.connections == 0)
    }

    @Test func objectThatIsGoneNeedsNothing() async {
        let world = world()
        world.store.remove("a/b")
        let outcome = await world.push("a/b")
        guard case .skipped(.gone) = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(world.connections == 0)
    }

    @Test func objectThatWasPulledFromThisServerIsNotSentBack() async {
        let world = world()
        world.store.plant("a/b", Self.content, metadata: ["synced-from": world.plan.origin])
        let outcome = await world.push("a/b", event: Self.content)
        guard case .skipped(.pulled) = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(world.tree.files() == [:])
    }

    @Test func fullDiskLeavesTheOlderFileAndNoHalf() async {
        let world = world { $0.server.freeBytes = 3 }
        world.tree.put("/in/a/b", Self.older)
        let outcome = await world.push("a/b")
        #expect(failure(outcome)?.reason == .server)
        #expect(world.tree.files() == ["/in/a/b": Self.older])
        #expect(!world.isMarked("a/b", at: "/in/a/b"))
    }

    @Test func connectionLostAtAnyStepLeavesTheOlderOrTheNewFileAndAnotherPushCompletes() async {
        for index in 0..<40 {
            let world = world()
            world.tree.put("/in/a/b", Self.older)
            let outcome = await world.push("a/b", tap: PortTap { $0.index == index ? .disconnect : .proceed })
            let file = world.tree.read("/in/a/b")
            #expect(file == Self.older || file == Self.content, "step \(index)")
            if case .delivered = outcome { #expect(file == Self.content, "step \(index)") }
            _ = await world.push("a/b")
            #expect(world.tree.read("/in/a/b") == Self.content, "step \(index)")
            #expect(world.isMarked("a/b", at: "/in/a/b"), "step \(index)")
        }
    }

    @Test func failureOfTheStoreAtAnyStepLeavesNoHalfFileAndNoTemporaryFile() async {
        for index in 0..<40 {
            let world = world()
            world.tree.put("/in/a/b", Self.older)
            _ = await world.push("a/b", tap: PortTap { $0.index == index ? .failStore(.unavailable) : .proceed })
            let file = world.tree.read("/in/a/b")
            #expect(file == Self.older || file == Self.content, "step \(index)")
            #expect(world.tree.files().count == 1, "step \(index)")
        }
    }

    @Test func markThatIsRefusedIsToldApartFromAFailedPush() async {
        let world = world { $0.source.refusesCopies = .denied }
        let outcome = await world.push("a/b")
        guard case .unmarked(let receipt, let failure, _) = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(failure.reason == .unmarked)
        #expect(receipt.etag == InMemoryObjectStore.etag(of: Self.content))
        #expect(world.tree.read("/in/a/b") == Self.content)
    }

    @Test func serverThatDoesNotRenameNeedsThePermissionToWriteInPlace() async {
        let refused = world { $0.server.refusesRenames = .denied }
        refused.tree.put("/in/a/b", Self.older)
        let outcome = await refused.push("a/b")
        #expect(failure(outcome)?.reason == .refused)
        #expect(failure(outcome)?.message.contains("SFTP_ALLOW_IN_PLACE=true") == true)
        #expect(refused.tree.files() == ["/in/a/b": Self.older])

        let allowed = world {
            $0.server.refusesRenames = .denied
            $0.allowsInPlace = true
        }
        allowed.tree.put("/in/a/b", Self.older)
        _ = await allowed.push("a/b")
        #expect(allowed.tree.files() == ["/in/a/b": Self.content])
        #expect(allowed.isMarked("a/b", at: "/in/a/b"))
    }

    @Test func serverThatRefusesTemporaryNamesGetsFilesInPlaceWhenThatIsAllowed() async {
        let world = world {
            $0.server.refusesNames = { !$0.bytes.elementsEqual("/in/a/b".utf8) }
            $0.allowsInPlace = true
        }
        _ = await world.push("a/b")
        #expect(world.tree.files() == ["/in/a/b": Self.content])
    }

    /// A full disk, say: nothing that would be better under the file's own name.
    @Test func failureThatMayPassIsNoReasonToWriteOverTheOlderFile() async {
        let world = world { $0.allowsInPlace = true }
        world.tree.put("/in/a/b", Self.older)
        let outcome = await world.push(
            "a/b", tap: PortTap { $0.operation == "remote.createFile" ? .failRemote(.failed) : .proceed })
        #expect(failure(outcome)?.reason == .server)
        #expect(world.tree.files() == ["/in/a/b": Self.older])
    }

    // MARK: Servers that cannot replace in one step

    @Test func failedRenameBehindTheRemovalLeavesTheNewFileAndNamesIt() async throws {
        let world = world { $0.server.renamesWithoutReplacing = true }
        world.tree.put("/in/a/b", Self.older)
        let isRemoved = Mutex(false)
        let outcome = await world.push(
            "a/b",
            tap: PortTap { call in
                if call.operation == "remote.removeTarget" { isRemoved.withLock { $0 = true } }
                return call.operation == "remote.rename" && isRemoved.withLock { $0 } ? .fail : .proceed
            })
        let left = world.tree.files()
        let name = try #require(left.keys.first)
        #expect(left.count == 1 && left[name] == Self.content)
        #expect(TemporaryName.isOurs(try #require(RemoteName(bytes: Array(name.bytes.dropFirst("/in/a/".utf8.count))))))
        let reason = try #require(failure(outcome))
        #expect(reason.message.contains(name.description))
        #expect(reason.mustSend)
        _ = await world.push("a/b")
        #expect(world.tree.read("/in/a/b") == Self.content)
    }

    @Test(arguments: [false, true])
    func versionThatAnotherPushHasMarkedByThenIsLeftAlone(inPlace: Bool) async {
        let world = world {
            $0.server.renamesWithoutReplacing = !inPlace
            $0.server.refusesRenames = inPlace ? .denied : nil
            $0.allowsInPlace = inPlace
        }
        world.tree.put("/in/a/b", Self.older)
        let touches = Mutex<[String]>([])
        let outcome = await world.push(
            "a/b", event: Self.content,
            tap: PortTap { call in
                // The last look before the rename lies behind.
                if call.operation == "remote.replaceFile", call.moment == .before {
                    _ = await world.push("a/b", event: Self.content)
                }
                if ["remote.removeTarget", "remote.overwriteFile"].contains(call.operation) {
                    touches.withLock { $0.append(call.operation) }
                }
                return .proceed
            })
        guard case .skipped(.marked) = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(touches.withLock { $0 } == [])
        #expect(world.tree.files() == ["/in/a/b": Self.content])
    }

    @Test func lookThatFailsBeforeTheRemovalLeavesTheOlderFile() async {
        let world = world { $0.server.renamesWithoutReplacing = true }
        world.tree.put("/in/a/b", Self.older)
        let isReplacing = Mutex(false)
        let outcome = await world.push(
            "a/b",
            tap: PortTap { call in
                if call.operation == "remote.replaceFile" { isReplacing.withLock { $0 = true } }
                return isReplacing.withLock { $0 } ? .failStore(.unavailable) : .proceed
            })
        #expect(failure(outcome)?.reason == .store)
        #expect(failure(outcome)?.mustSend == false)
        #expect(world.tree.files() == ["/in/a/b": Self.older])
    }

    /// The second event of a version is looked at before the first is marked, and its push fails after that.
    @Test(arguments: [false, true])
    func retryOfAPushThatTouchedTheFileBelievesNoMark(inPlace: Bool) async throws {
        for index in 0..<60 {
            let world = world {
                $0.server.renamesWithoutReplacing = !inPlace
                $0.server.refusesRenames = inPlace ? .denied : nil
                $0.allowsInPlace = inPlace
                $0.source.pieceBytes = 2
            }
            let hasMarked = Mutex(false)
            let key = try #require(ObjectKey("a/b"))
            let request = PushRequest(
                ObjectEvent(
                    bucket: PushWorld.bucket, key: key, etag: ETag(InMemoryObjectStore.etag(of: Self.content))))
            let outcome = await world.push(
                request,
                tap: PortTap { call in
                    let isFirstTouch = ["remote.removeTarget", "remote.overwriteFile"].contains(call.operation)
                    if isFirstTouch, !hasMarked.withLock({ $0 }) {
                        hasMarked.withLock { $0 = true }
                        _ = await world.push("a/b", event: Self.content)
                    }
                    return call.index == index ? .disconnect : .proceed
                })
            if let next = world.leftOver(of: request, outcome) {
                #expect(next.mustSend || world.tree.read("/in/a/b") == Self.content || !hasMarked.withLock { $0 })
                _ = await world.push(next)
            }
            #expect(world.tree.read("/in/a/b") == Self.content, "step \(index)")
            #expect(world.isMarked("a/b", at: "/in/a/b"), "step \(index)")
        }
    }

    @Test func objectDeletedWhileItIsWrittenInPlaceLeavesNoHalf() async {
        let world = world {
            $0.server.refusesRenames = .denied
            $0.allowsInPlace = true
            $0.source.pieceBytes = 2
        }
        let isWriting = Mutex(false)
        _ = await world.push(
            "a/b",
            tap: PortTap { call in
                if call.operation == "remote.overwriteFile" { isWriting.withLock { $0 = true } }
                guard call.operation == "store.next", isWriting.withLock({ $0 }) else { return .proceed }
                world.store.remove("a/b")
                return .failStore(.notFound)
            })
        #expect(isWriting.withLock { $0 })
        #expect(world.tree.files() == [:])
    }

    /// It may have put an older version over a newer one that another push has marked.
    @Test func failureBehindADeliveryThatWasSupersededBelievesNoMark() async throws {
        let world = world()
        let outcome = await world.push(
            "a/b", event: Self.content,
            tap: PortTap { call in
                switch (call.operation, call.moment) {
                case ("remote.replaceFile", .after): world.store.plant("a/b", Array("newer".utf8))
                case ("remote.createFile", .before) where world.tree.read("/in/a/b") != nil: return .failRemote(.denied)
                default: break
                }
                return .proceed
            })
        #expect(try #require(failure(outcome)).mustSend)
    }

    @Test func objectReplacedAtAnyStepEndsWithTheNewVersion() async {
        for index in 0..<24 {
            let world = world()
            let newer = Array("newer".utf8)
            let outcome = await world.push(
                "a/b", event: Self.content,
                tap: PortTap { call in
                    if call.index == index { world.store.plant("a/b", newer) }
                    return .proceed
                })
            // After its end the newer version has an event of its own.
            _ = await world.push("a/b", event: newer)
            #expect(failure(outcome) == nil, "step \(index)")
            #expect(world.tree.files() == ["/in/a/b": newer], "step \(index)")
            #expect(world.isMarked("a/b", at: "/in/a/b"), "step \(index)")
        }
    }

    @Test func objectDeletedAtAnyStepEndsWithoutFailure() async {
        for index in 0..<24 {
            let world = world()
            let outcome = await world.push(
                "a/b", event: Self.content,
                tap: PortTap { call in
                    if call.index == index { world.store.remove("a/b") }
                    return .proceed
                })
            #expect(failure(outcome) == nil, "step \(index)")
            #expect(world.tree.files().allSatisfy { $0.value == Self.content }, "step \(index)")
        }
    }
}
