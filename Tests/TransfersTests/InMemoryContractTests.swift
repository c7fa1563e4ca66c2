import TestKit
import Testing
import Transfers

/// The fakes keep the promises of the ports, so that what the other tests show with them is worth something.
@Suite struct InMemoryContractTests {
    @Test(arguments: RemoteFilesContract.Promise.allCases)
    func remoteFilesKeepPromise(_ promise: RemoteFilesContract.Promise) async throws {
        try await contract(InMemoryRemoteFiles.Behaviour()).check(promise)
    }

    @Test(arguments: RemoteFilesContract.Promise.allCases)
    func remoteFilesWhoseRenameDoesNotReplaceKeepPromise(_ promise: RemoteFilesContract.Promise) async throws {
        var behaviour = InMemoryRemoteFiles.Behaviour()
        behaviour.renamesWithoutReplacing = true
        try await contract(behaviour).check(promise)
    }

    @Test(arguments: RemoteFilesContract.Promise.allCases)
    func tersestRemoteFilesKeepPromise(_ promise: RemoteFilesContract.Promise) async throws {
        var behaviour = InMemoryRemoteFiles.Behaviour()
        behaviour.batchCount = 1
        behaviour.pieceBytes = 1000
        behaviour.listingOmitsSizes = true
        behaviour.listingOmitsTimes = true
        behaviour.omitsVersions = true
        behaviour.refusesTimes = .denied
        behaviour.movesBlindly = true
        try await contract(behaviour).check(promise)
    }

    @Test(arguments: RemoteDestinationContract.Promise.allCases, [false, true])
    func remoteDestinationKeepsPromise(
        _ promise: RemoteDestinationContract.Promise, renamesWithoutReplacing: Bool
    ) async throws {
        let tree = InMemoryTree()
        tree.makeDirectory("/work")
        var behaviour = InMemoryDestination.Behaviour()
        behaviour.renamesWithoutReplacing = renamesWithoutReplacing
        let contract = RemoteDestinationContract(
            root: "/work", partner: partner(of: tree),
            connect: { [behaviour] in InMemoryDestination(tree, behaviour: behaviour) },
            lose: { ($0 as? InMemoryDestination)?.loseConnection() })
        try await contract.check(promise)
    }

    @Test(arguments: ObjectStoreContract.Promise.allCases)
    func objectStoreKeepsPromise(_ promise: ObjectStoreContract.Promise) async throws {
        let store = InMemoryObjectStore()
        let bucket = ObjectStoreContract.Bucket(
            read: { store.current($0.text)?.bytes }, openUploadsCount: { _ in store.openUploadsCount })
        try await ObjectStoreContract(store: store, bucket: bucket).check(promise)
    }

    @Test(arguments: SourceObjectsContract.Promise.allCases, [false, true])
    func sourceObjectsKeepPromise(_ promise: SourceObjectsContract.Promise, _ copiesChangeETags: Bool) async throws {
        let store = InMemoryObjectStore()
        var behaviour = InMemorySourceObjects.Behaviour()
        behaviour.copiesChangeETags = copiesChangeETags
        let bucket = SourceObjectsContract.Bucket(
            name: "any",
            put: { store.plant($0.text, $1.bytes, metadata: $1.metadata, properties: $1.properties) },
            read: { key in
                store.current(key.text).map {
                    SourceObjectsContract.Object(bytes: $0.bytes, metadata: $0.metadata, properties: $0.properties)
                }
            },
            remove: { store.remove($0.text) })
        try await SourceObjectsContract(
            objects: InMemorySourceObjects(store, behaviour: behaviour), bucket: bucket
        ).check(promise)
    }

    @Test(arguments: RetryQueueContract.Promise.allCases)
    func retryQueueKeepsPromise(_ promise: RetryQueueContract.Promise) async throws {
        var behaviour = InMemoryRetryQueue.Behaviour()
        if promise == .receivedTooOftenGoesToTheDeadLetters {
            behaviour.maximumReceives = RetryQueueContract.maximumReceives
        }
        let queue = InMemoryRetryQueue(behaviour: behaviour)
        try await RetryQueueContract(
            RetryQueueContract.Subject(queue: queue, deadLetters: { queue.deadLetters.map(\.body) })
        ).check(promise)
    }

    private func contract(_ behaviour: InMemoryRemoteFiles.Behaviour) -> RemoteFilesContract {
        let tree = InMemoryTree()
        tree.makeDirectory("/work")
        return RemoteFilesContract(
            root: "/work",
            partner: partner(of: tree),
            makeFiles: { InMemoryRemoteFiles(tree, behaviour: behaviour) },
            lose: { ($0 as? InMemoryRemoteFiles)?.loseConnection() })
    }

    private func partner(of tree: InMemoryTree) -> RemoteFilesContract.Partner {
        RemoteFilesContract.Partner(
            put: { tree.put($0, $1, modified: $2) }, overwrite: { tree.overwrite($0, $1, modified: $2) },
            read: { tree.read($0) }, modified: { tree.modified($0) }, remove: { tree.remove($0) },
            makeDirectory: { tree.makeDirectory($0) }, makeLink: { tree.makeLink($0, to: $1) })
    }
}
