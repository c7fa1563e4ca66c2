import Testing

@testable import LambdaRuntime

/// What of a tracing header gets into the log.
struct TraceHeaderTests {
    @Test(arguments: [
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        "Root=1-5759e988-bd862e3fe1be46a994272793",
        "Self=1-67891234-12456789abcdef012345678;Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=a87bd80c:0",
        "Parent=53995c3f42cd8ad8; Root=1-5759e988-bd862e3fe1be46a994272793",
    ])
    func idIsThatOfTheRoot(header: String) {
        #expect(TraceHeader.traceID(of: header) == "1-5759e988-bd862e3fe1be46a994272793")
    }

    @Test(arguments: [
        "", "1-5759e988", "Root=", "Root=1-5759\ne988", "Root=1 2", "Root=\"", "Parent=Root=1-2", "root=1-2",
        "Root=" + String(repeating: "a", count: 65),
    ])
    func whatIsNoIDIsLeftOut(header: String) {
        #expect(TraceHeader.traceID(of: header) == nil)
    }
}
