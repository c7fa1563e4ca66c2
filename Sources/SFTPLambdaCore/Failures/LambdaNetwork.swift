/// What a function of Lambda needs to reach the partner's server, told where a connection takes too long.
struct LambdaNetwork: Sendable {
    /// The function, as AWS_LAMBDA_FUNCTION_NAME has it.
    let functionName: String

    /// Nil where this does not run in Lambda.
    init?(environment: [String: String]) {
        guard let name = environment["AWS_LAMBDA_FUNCTION_NAME"], !name.isEmpty else { return nil }
        functionName = name
    }

    init(functionName: String) { self.functionName = functionName }

    /// How to tell whether the way out is missing, and what to do.
    func advice(port: String) -> String {
        "In a VPC, a function reaches the internet only through a NAT gateway: `aws lambda get-function-configuration "
            + "--function-name \(functionName) --query VpcConfig` shows its subnets, whose route tables need a route "
            + "0.0.0.0/0 to one, and its security groups, which have to let TCP port \(port) out; the partner then admits "
            + "the address of the NAT gateway. Without subnets it is in no VPC and comes from changing addresses: a "
            + "partner who admits only known ones needs vpc.yml (docs/deploy.md)"
    }
}
