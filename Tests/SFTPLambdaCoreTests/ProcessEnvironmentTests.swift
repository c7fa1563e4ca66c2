import Foundation
import Testing

@testable import SFTPLambdaCore

@Suite struct ProcessEnvironmentTests {
    @Test func variablesAreThoseOfTheProcess() {
        let variables = ProcessEnvironment.variables()
        #expect(variables["PATH"]?.isEmpty == false)
        #expect(variables == ProcessInfo.processInfo.environment)
    }
}
