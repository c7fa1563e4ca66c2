import CLibFuzzer
import Foundation
import FuzzTargets

// What scripts/fuzz runs: libFuzzer on the target that SFTP_LAMBDA_FUZZ_TARGET names, with the arguments of libFuzzer.
// libFuzzer starts itself anew for some of them, with the same arguments: that is why the target is not among them.
//
//   fuzzer --targets        names the targets, one to a line
//   fuzzer --seeds FOLDER   writes the seeds of the target into that folder

/// The target, where a C function finds it.
enum Chosen {
    static let target: FuzzTarget = {
        let name = ProcessInfo.processInfo.environment["SFTP_LAMBDA_FUZZ_TARGET"] ?? ""
        guard let target = FuzzTarget(rawValue: name) else { fatalError("SFTP_LAMBDA_FUZZ_TARGET is \"\(name)\"") }
        return target
    }()

    /// Writes each seed into a file of its own.
    static func writeSeeds(into folder: URL) throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for (index, seed) in target.seeds.enumerated() {
            try Data(seed).write(to: folder.appendingPathComponent("seed-\(index)"))
        }
    }

    /// Runs the target on one input.
    static func run(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
        do {
            try target.run(Array(UnsafeBufferPointer(start: start, count: count)))
        } catch {
            // libFuzzer keeps the input of whatever ends in a trap.
            fatalError("\(target): \(error)")
        }
        return 0
    }
}

let arguments = CommandLine.arguments.dropFirst()
switch arguments.first {
case "--targets": print(FuzzTarget.allCases.map(\.rawValue).joined(separator: "\n"))
case "--seeds" where arguments.count == 2: try Chosen.writeSeeds(into: URL(fileURLWithPath: arguments.last ?? ""))
default:
    _ = Chosen.target
    var count = CommandLine.argc
    var pointers = CommandLine.unsafeArgv
    exit(LLVMFuzzerRunDriver(&count, &pointers) { Chosen.run($0, $1) })
}
