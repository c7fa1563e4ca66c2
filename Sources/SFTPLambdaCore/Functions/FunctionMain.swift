internal import CMalloc
import Glibc
import HTTP
import LambdaRuntime
package import Logging

/// What a program of ours does from its first line to its end.
package enum FunctionMain {
    /// Whether Lambda has started the process.
    package static func isOnLambda(_ environment: [String: String]) -> Bool {
        environment[RuntimeAPIAddress.variable]?.isEmpty == false
    }

    /// Sets up the process, and gives the variables that it was started with. To be called first, and once.
    package static func prepareProcess() -> [String: String] {
        CoreFiles.forbid()
        keepFreedMemory()
        return ProcessEnvironment.variables()
    }

    /// Serves Lambda's invocations with the function, until the process has to end.
    package static func serve(_ function: LambdaFunction, _ environment: [String: String]) async -> Never {
        let log = LogOutput(options: LogOptions(environment: environment))
        let logger = logger(of: function, environment, log)
        for warning in log.options.warnings { logger.warning("\(warning)") }
        do {
            let address = try RuntimeAPIAddress(environment: environment)
            // A client of its own: the long poll must not share a limit or a shutdown with the work.
            let executor = HTTPClient(HTTPClientConfiguration(environment: environment, maximumConnectionsPerHost: 1))
            let runtime = LambdaRuntime(address: address, executor: executor, logger: logger)
            try await runtime.run { try handler(of: function, environment, log, logger) }
        } catch {
            logger.critical("the function ends", metadata: ["reason": "\(error)"])
            exit(1)
        }
    }

    /// The logger of a program: every line names the flow, where that has a name.
    package static func logger(
        of function: LambdaFunction, _ environment: [String: String], _ log: LogOutput
    ) -> Logger {
        var logger = log.logger(label: function.rawValue)
        logger[metadataKey: LogField.flow] = LogField.flowName(environment, of: function).map { .string($0) }
        return logger
    }

    /// How much free memory at the end of a heap is kept, and from what size on memory is mapped by itself.
    private static let (keptBytes, mappedBytes): (Int32, Int32) = (16 << 20, 1 << 20)

    /// Pieces of content come and go in sizes that the C library gives back to the kernel one by one, and asks for
    /// again, a page fault for each 4 KiB. Kept they cost no more than the peak, which Lambda bills anyway: a push of 1 GiB
    /// takes a twentieth less processor time.
    private static func keepFreedMemory() {
        _ = mallopt(M_TRIM_THRESHOLD, keptBytes)
        _ = mallopt(M_MMAP_THRESHOLD, mappedBytes)
    }

    private static func handler(
        of function: LambdaFunction, _ environment: [String: String], _ log: LogOutput, _ logger: Logger
    ) throws -> any LambdaHandler {
        let services = try FunctionServices(for: function, environment: environment, log: log)
        switch function {
        case .pull: return try PullFunction(services: services, logger: logger)
        case .push: return try PushFunction(services: services, logger: logger)
        case .pushRetry: return try PushRetryFunction(services: services, logger: logger)
        }
    }
}
