/// Where the Runtime API listens: the host and port of AWS_LAMBDA_RUNTIME_API.
public struct RuntimeAPIAddress: Sendable, Hashable, CustomStringConvertible {
    /// The host and port, such as `127.0.0.1:9001`.
    public let description: String

    /// The environment variable that Lambda sets.
    public static let variable = "AWS_LAMBDA_RUNTIME_API"

    /// Takes a host and port.
    /// - Throws: `LambdaRuntimeError` of kind `.addressInvalid` when the text could lead anywhere but to a host and port.
    public init(_ hostAndPort: String) throws(LambdaRuntimeError) {
        let punctuation = Array(".-_:[]".utf8)
        let isAddress = hostAndPort.utf8.allSatisfy { byte in
            let character = Character(UnicodeScalar(byte))
            return character.isASCII && (character.isLetter || character.isNumber || punctuation.contains(byte))
        }
        guard isAddress, !hostAndPort.isEmpty else {
            throw LambdaRuntimeError(.addressInvalid, "\(Self.variable) must be a host and port")
        }
        description = hostAndPort
    }

    /// Takes the address from the environment.
    /// - Throws: `LambdaRuntimeError` of kind `.addressMissing` when the program was not started by Lambda, and of
    ///   kind `.addressInvalid`.
    public init(environment: [String: String]) throws(LambdaRuntimeError) {
        guard let value = environment[Self.variable], !value.isEmpty else {
            throw LambdaRuntimeError(.addressMissing, "\(Self.variable) is not set: this is not a Lambda environment")
        }
        try self.init(value)
    }
}
