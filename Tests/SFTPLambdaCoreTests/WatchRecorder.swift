import SFTPLambdaCore
import Synchronization

/// Remembers what passed through an adapter.
final class WatchRecorder: ContentWatch {
    /// One passage.
    struct Record: Equatable {
        var name: String
        var sizeBytes: UInt64?
        var startBytes: UInt64
        var passedBytes = 0
        var isEnded = false
    }

    private let state = Mutex<[Record]>([])

    var records: [Record] { state.withLock { $0 } }

    func begins(_ name: String, sizeBytes: UInt64?, startBytes: UInt64) -> any ContentPassage {
        let index = state.withLock { records in
            records.append(Record(name: name, sizeBytes: sizeBytes, startBytes: startBytes))
            return records.count - 1
        }
        return Passage(index, of: self)
    }

    private final class Passage: ContentPassage {
        private let index: Int
        private let recorder: WatchRecorder

        init(_ index: Int, of recorder: WatchRecorder) {
            self.index = index
            self.recorder = recorder
        }

        func passed(_ countBytes: Int) { recorder.state.withLock { $0[index].passedBytes += countBytes } }

        deinit { recorder.state.withLock { $0[index].isEnded = true } }
    }
}
