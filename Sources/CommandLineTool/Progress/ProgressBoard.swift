import SFTPLambdaCore
import Synchronization
import Transfers

/// Where everybody who works tells how far it has come, and the display looks.
final class ProgressBoard: Sendable {
    private let state = Mutex(TransferProgress())

    /// How far it has come by now.
    var progress: TransferProgress { state.withLock { $0 } }

    /// Notes something.
    func note(_ change: (inout TransferProgress) -> Void) { state.withLock { change(&$0) } }
}

extension ProgressBoard: ContentWatch {
    func begins(_ name: String, sizeBytes: UInt64?, startBytes: UInt64) -> any ContentPassage {
        note { $0.begins(name, sizeBytes: sizeBytes, startBytes: startBytes) }
        return Passage(name, of: self)
    }

    private final class Passage: ContentPassage {
        private let name: String
        private let board: ProgressBoard

        init(_ name: String, of board: ProgressBoard) {
            self.name = name
            self.board = board
        }

        func passed(_ countBytes: Int) { board.note { $0.passed(name, countBytes) } }

        deinit { board.note { $0.ended(name) } }
    }
}

/// Tells the board what becomes of each file, and the log as well.
struct PullProgress: TransferObserver {
    let board: ProgressBoard
    let log: any TransferObserver

    func found(_ path: RemotePath, sizeBytes: UInt64?) { board.note { $0.found("\(path)", sizeBytes: sizeBytes) } }

    func foundAll() { board.note { $0.foundAll() } }

    func transferred(_ receipt: TransferReceipt) {
        board.note { $0.done("\(receipt.path)") }
        log.transferred(receipt)
    }

    func left(_ path: RemotePath, because reason: LeftReason) {
        board.note { $0.left("\(path)") }
        log.left(path, because: reason)
    }

    func failed(_ failure: TransferFailure) {
        board.note { $0.failed(failure.path) }
        log.failed(failure)
    }

    func purged(_ path: RemotePath) {
        board.note { $0.removed() }
        log.purged(path)
    }

    func warning(_ message: String, path: RemotePath?) { log.warning(message, path: path) }
}

/// Tells the board what becomes of each object, and the log as well.
struct PushProgress: PushObserver {
    let board: ProgressBoard
    let log: any PushObserver

    func found(_ object: ObjectAddress) { board.note { $0.found("\(object)", sizeBytes: nil) } }

    func foundAll() { board.note { $0.foundAll() } }

    func delivered(_ receipt: PushReceipt) {
        board.note { $0.done("\(receipt.object)") }
        log.delivered(receipt)
    }

    func marked(_ object: ObjectAddress) {
        board.note { $0.left("\(object)") }
        log.marked(object)
    }

    func ignored(_ item: IncomingEvent.Ignored) { log.ignored(item) }

    func skipped(_ object: ObjectAddress, because reason: PushDecision.Reason) {
        board.note { $0.left("\(object)") }
        log.skipped(object, because: reason)
    }

    func failed(_ subject: PushSubject, _ account: FailureAccount) {
        switch subject {
        case .object(let object): board.note { $0.failed("\(object)") }
        case .event, .connection, .retryQueue: board.note { $0.failed(nil) }
        // It has been counted as failed before.
        case .retryMessage: break
        }
        log.failed(subject, account)
    }

    func warning(_ message: String, because reason: String) { log.warning(message, because: reason) }
}
