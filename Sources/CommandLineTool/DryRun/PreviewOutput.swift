import JSON
import Logging
import SFTPLambdaCore
import Transfers

/// Writes what a dry run finds while it finds it: one line for each step, of text or JSON.
struct PreviewOutput: Sendable {
    let output: StandardOutput
    let writesJSON: Bool
    let logger: Logger

    func planned(_ transfer: PlannedTransfer, bucket: String) { write(.transfer(transfer, bucket: bucket)) }

    func planned(_ push: PlannedPush) { write(.push(push)) }

    /// A preview shows no progress.
    func foundAll() {}

    private func write(_ step: PreviewStep) {
        if writesJSON { output.write(step.jsonBytes) } else { output.write([step.text]) }
    }
}

extension PreviewOutput: TransferObserver {
    /// A preview transfers nothing.
    func transferred(_ receipt: TransferReceipt) {}

    func left(_ path: RemotePath, because reason: LeftReason) {
        write(.leave(subject: "\(path)", reason: reason.word))
    }

    func failed(_ failure: TransferFailure) { write(.fail(subject: failure.path, reason: failure.reason)) }

    func purged(_ path: RemotePath) { write(.purge(path)) }

    func warning(_ message: String, path: RemotePath?) {
        logger.warning("\(message)", metadata: path.map { ["path": "\($0)"] } ?? [:])
    }
}

extension PreviewOutput: PushObserver {
    /// A preview delivers nothing.
    func delivered(_ receipt: PushReceipt) {}

    /// A preview marks nothing.
    func marked(_ object: ObjectAddress) {}

    func ignored(_ item: IncomingEvent.Ignored) {
        write(.leave(subject: item.name.isEmpty ? "event" : "event \(item.name)", reason: item.reason.rawValue))
    }

    func skipped(_ object: ObjectAddress, because reason: PushDecision.Reason) {
        write(.leave(subject: "s3://\(object)", reason: reason.rawValue))
    }

    func failed(_ subject: PushSubject, _ account: FailureAccount) {
        write(.fail(subject: "\(subject)", reason: account.reason))
    }

    func warning(_ message: String, because reason: String) {
        logger.warning("\(message)", metadata: ["reason": .string(reason)])
    }
}
