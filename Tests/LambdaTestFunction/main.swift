import Glibc
import HTTP
import LambdaRuntime
import Logging

/// A function for the tests: `LambdaRuntime` over the real HTTP client, in a process of its own, as on Lambda. What it
/// does is what the event says; any other event is the response.
struct ObedientHandler: LambdaHandler {
    struct Refusal: LambdaReportableError {
        var errorType: String
        var errorMessage = "as the event demands"
    }

    func handle(_ event: [UInt8], context: InvocationContext) async throws -> [UInt8] {
        switch String(decoding: event, as: UTF8.self) {
        case #""trace""#: Array("\"\(variable("_X_AMZN_TRACE_ID") ?? "unset")\"".utf8)
        case #""figures""#: try figures()
        case #""fail""#: throw Refusal(errorType: "EventDemandsIt")
        case #""large""#: [UInt8](repeating: UInt8(ascii: " "), count: 7 * 1024 * 1024)
        case #""sleep""#: try await sleepUntilKilled()
        default: event
        }
    }

    private func sleepUntilKilled() async throws -> [UInt8] {
        try await Task.sleep(for: .seconds(1000))
        return []
    }

    /// Resident memory (proc(5), /proc/pid/statm, field 2, in pages) and open descriptors, as JSON.
    private func figures() throws -> [UInt8] {
        guard let file = fopen("/proc/self/statm", "r") else { throw Refusal(errorType: "NoFigures") }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        fgets(&line, Int32(line.count), file)
        let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        let fields = text.split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]), let folder = opendir("/proc/self/fd") else {
            throw Refusal(errorType: "NoFigures")
        }
        defer { closedir(folder) }
        var descriptors = 0
        while readdir(folder) != nil { descriptors += 1 }
        let resident = pages * sysconf(Int32(_SC_PAGESIZE))
        return Array(#"{"residentBytes":\#(resident),"openDescriptors":\#(descriptors)}"#.utf8)
    }
}

func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

let logger = Logger(label: "function") { StreamLogHandler.standardError(label: $0) }
do {
    let address = try RuntimeAPIAddress(environment: [
        "AWS_LAMBDA_RUNTIME_API": variable("AWS_LAMBDA_RUNTIME_API") ?? ""
    ])
    let client = HTTPClient(HTTPClientConfiguration(environment: [:]))
    try await LambdaRuntime(address: address, executor: client, logger: logger).run {
        if variable("FAIL_INITIALIZATION") != nil {
            throw ObedientHandler.Refusal(errorType: "InitializationDemandsIt")
        }
        return ObedientHandler()
    }
} catch {
    logger.critical("the loop has ended", metadata: ["reason": "\(error)"])
    exit(1)
}
