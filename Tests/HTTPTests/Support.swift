import Foundation
import HTTP
import Testing

/// A client that takes nothing from the environment.
func makeClient(_ change: (inout HTTPClientConfiguration) -> Void = { _ in }) -> HTTPClient {
    var configuration = HTTPClientConfiguration(environment: [:])
    change(&configuration)
    return HTTPClient(configuration)
}

/// The error of a request that must fail.
func failure(
    of body: () async throws -> some Any, sourceLocation: SourceLocation = #_sourceLocation
) async throws -> HTTPError {
    do {
        _ = try await body()
    } catch let error as HTTPError {
        return error
    }
    Issue.record("there is no error", sourceLocation: sourceLocation)
    return HTTPError(.other, "none")
}

/// Pieces as one. `Array(pieces.joined())` takes seconds for a few MiB in a debug build.
func joined(_ pieces: [[UInt8]]) -> [UInt8] { pieces.reduce(into: []) { $0 += $1 } }

/// Waits until a figure has not changed for 0.3 s, at most 10 s.
func waitUntilSteady(_ figure: () -> Int) async throws {
    var last = figure()
    var steadyCount = 0
    for _ in 0..<500 where steadyCount < 15 {
        try await Task.sleep(for: .milliseconds(20))
        steadyCount = figure() == last ? steadyCount + 1 : 0
        last = figure()
    }
}

/// Waits until a condition holds, at most 10 s.
func eventually(_ what: String, sourceLocation: SourceLocation = #_sourceLocation, _ isMet: () -> Bool) async throws {
    for _ in 0..<1_000 {
        if isMet() { return }
        try await Task.sleep(for: .milliseconds(10))
    }
    Issue.record("waited 10 s in vain: \(what)", sourceLocation: sourceLocation)
}
