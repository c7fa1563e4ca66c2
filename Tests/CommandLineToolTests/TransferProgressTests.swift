import Testing

@testable import CommandLineTool

/// The books behind the display.
@Suite struct TransferProgressTests {
    private func progress(_ change: (inout TransferProgress) -> Void) -> TransferProgress {
        var progress = TransferProgress()
        change(&progress)
        return progress
    }

    @Test func bytesOfFilesThatAreDoneAndUnderWayAddUp() {
        var progress = progress {
            for (name, size) in [("a", 100), ("b", 50), ("c", 7)] { $0.found(name, sizeBytes: UInt64(size)) }
            $0.begins("a", sizeBytes: 100, startBytes: 0)
            $0.begins("b", sizeBytes: 50, startBytes: 0)
            $0.passed("a", 100)
            $0.passed("b", 20)
        }
        #expect(progress.doneBytes == 120 && progress.knownBytes == 157 && progress.leftBytes == nil)
        progress.foundAll()
        #expect(progress.leftBytes == 37)
        // Between its last byte and its end it loses none of them.
        progress.ended("a")
        #expect(progress.doneBytes == 120 && progress.current(atMost: 9).map(\.name) == ["b"])
        progress.done("a")
        #expect(progress.doneBytes == 120 && progress.doneFiles == 1 && progress.leftFiles == 2)
        for name in ["b", "c"] { progress.done(name) }
        #expect(progress.doneBytes == 157 && progress.leftBytes == 0 && progress.leftFiles == 0)
        #expect(progress.passedBytes == 120, "what was not seen to pass has not passed")
    }

    @Test func whatFailsOrIsLeftIsNoLongerToBeDone() {
        let progress = progress {
            for name in ["a", "b", "c"] { $0.found(name, sizeBytes: 10) }
            $0.foundAll()
            $0.begins("a", sizeBytes: 10, startBytes: 0)
            $0.passed("a", 6)
            $0.failed("a")
            $0.left("b")
            $0.left("never found")
            $0.failed(nil)
        }
        #expect(progress.failedFiles == 2 && progress.doneFiles == 1 && progress.leftFiles == 1)
        #expect(progress.doneBytes == 0 && progress.knownBytes == 10 && progress.leftBytes == 10)
        #expect(progress.passedBytes == 6, "for the rate they count")
        #expect(progress.currentCount == 0)
    }

    @Test func aSizeThatIsToldLateCountsFromThenOn() {
        var progress = progress {
            $0.found("a", sizeBytes: nil)
            $0.found("b", sizeBytes: 5)
            $0.foundAll()
        }
        #expect(progress.knownBytes == nil && progress.leftBytes == nil)
        progress.begins("a", sizeBytes: 8, startBytes: 0)
        #expect(progress.knownBytes == 13)
        // It is another version by now.
        progress.begins("b", sizeBytes: 6, startBytes: 0)
        #expect(progress.knownBytes == 14)
    }

    @Test func aTransferThatBeginsAnewOrInTheMiddleCountsFromThere() {
        var progress = progress {
            $0.found("a", sizeBytes: 100)
            $0.begins("a", sizeBytes: 100, startBytes: 40)
            $0.passed("a", 10)
        }
        #expect(progress.doneBytes == 50 && progress.passedBytes == 10)
        progress.begins("a", sizeBytes: 100, startBytes: 0)
        #expect(progress.doneBytes == 0)
        progress.passed("a", 30)
        #expect(progress.current(atMost: 1) == [.init(name: "a", doneBytes: 30, sizeBytes: 100)])
    }

    @Test func filesAreShownInTheOrderInWhichTheyWereBegun() {
        let progress = progress {
            for name in ["c", "a", "b"] { $0.begins(name, sizeBytes: nil, startBytes: 0) }
        }
        #expect(progress.current(atMost: 2).map(\.name) == ["c", "a"] && progress.currentCount == 3)
    }

    // MARK: Rate

    @Test func theRateIsThatOfTheLastSeconds() {
        var rate = TransferRate()
        rate.add(atSeconds: 0, bytes: 0, files: 0)
        rate.add(atSeconds: 0.5, bytes: 900, files: 9)
        #expect(rate.bytesPerSecond == nil && rate.secondsLeft(bytes: 1, files: 1) == nil)
        rate.add(atSeconds: 2, bytes: 2000, files: 20)
        #expect(rate.bytesPerSecond == 1000)
        // The beginning is too long ago: only what came after it counts.
        rate.add(atSeconds: 2 + TransferRate.windowSeconds, bytes: 2000, files: 20)
        #expect(rate.bytesPerSecond == 0 && rate.secondsLeft(bytes: 5, files: 1) == nil)
    }

    @Test func theTimeLeftIsThatOfTheBytesOrOfTheFiles() {
        var rate = TransferRate()
        rate.add(atSeconds: 0, bytes: 0, files: 0)
        rate.add(atSeconds: 2, bytes: 2000, files: 20)
        #expect(rate.secondsLeft(bytes: 5000, files: 10) == 5)
        #expect(rate.secondsLeft(bytes: 5000, files: 100) == 10)
        #expect(rate.secondsLeft(bytes: 0, files: 30) == 3)
        // A few large ones: how many end in a second says nothing.
        var large = TransferRate()
        large.add(atSeconds: 0, bytes: 0, files: 0)
        large.add(atSeconds: 10, bytes: 10_000, files: 1)
        #expect(large.secondsLeft(bytes: 2000, files: 50) == 2)
    }
}
