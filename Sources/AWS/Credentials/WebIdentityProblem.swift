/// Why AWS STS refuses the credentials of a role, as far as a person has to mend it: what it means and what to do. The
/// errors take their words from here, and so does `docs/troubleshooting.md`.
package enum WebIdentityProblem: CaseIterable, Sendable {
    case accessDenied, tokenExpired, tokenUnknown, regionDisabled

    /// The problem behind a code of AWS STS; nil for one that nobody can mend.
    init?(code: String) {
        guard let problem = Self.allCases.first(where: { $0.codes.contains(code) }) else { return nil }
        self = problem
    }

    /// The first words of the error.
    package static func symptom(role: String) -> String { "AWS STS gives no credentials of the role \(role)" }

    /// What AWS STS calls it (AWS Security Token Service API Reference, "AssumeRoleWithWebIdentity", and AWS, "Common
    /// errors").
    package var codes: [String] {
        switch self {
        case .accessDenied: ["AccessDenied"]
        case .tokenExpired: ["ExpiredTokenException", "ExpiredToken"]
        case .tokenUnknown: ["InvalidIdentityToken", "IDPRejectedClaim"]
        case .regionDisabled: ["RegionDisabledException"]
        }
    }

    /// What it means: for the page.
    package var meaning: String {
        switch self {
        case .accessDenied: "The role does not exist, or does not trust the service account that the token is of."
        case .tokenExpired: "The token was used for longer than it holds."
        case .tokenUnknown:
            "The account of the role does not know who made the token, or the token is not meant for AWS STS."
        case .regionDisabled: "AWS STS is switched off in the region that was asked."
        }
    }

    /// What to do: the end of the message.
    package var remedy: String {
        let fileVariable = WebIdentityCredentials.fileVariable
        return switch self {
        case .accessDenied:
            "check AWS_ROLE_ARN, and the trust policy of the role: it has to allow sts:AssumeRoleWithWebIdentity to "
                + "the identity provider of the cluster, for the namespace and the name of this service account"
        case .tokenExpired:
            "\(fileVariable) has to name the file that Kubernetes renews, not a copy of it; check the clock of the node "
                + "too"
        case .tokenUnknown:
            "IAM needs an identity provider for the cluster's issuer, with the audience sts.amazonaws.com, in the account "
                + "of AWS_ROLE_ARN; and \(fileVariable) has to name a token of that cluster"
        case .regionDisabled: "switch AWS STS on in this region, in the account settings of IAM"
        }
    }
}
