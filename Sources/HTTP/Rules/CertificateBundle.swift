import Glibc

/// Which file of certificate authorities the servers' certificates are checked against.
///
/// `AWS_CA_BUNDLE` wins over `SSL_CERT_FILE`: it speaks of AWS alone, which is where this client's https requests go,
/// and it is what the AWS SDKs and the CLI read. Without either, the first of the places where Debian, Amazon Linux
/// and Alpine keep theirs: what libcurl was built with is right only on the distribution it was built on.
struct CertificateBundle: Sendable {
    static let knownPaths = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    ]

    private let named: (variable: String, path: String)?
    private let candidates: [String]

    /// Reads the variables.
    init(environment: [String: String], knownPaths: [String] = Self.knownPaths) {
        named = ["AWS_CA_BUNDLE", "SSL_CERT_FILE"].lazy
            .compactMap { name in environment[name].map { (name, $0) } }
            .first { !$0.1.isEmpty }
        candidates = knownPaths
    }

    /// The file to use.
    /// - Throws: `HTTPError` of kind `.tls` when the named file cannot be read, or when none is named and none found.
    func path() throws(HTTPError) -> String {
        if let named {
            guard access(named.path, R_OK) == 0 else {
                let reason = String(cString: strerror(errno))
                throw HTTPError(.tls, "\(named.variable) names \(named.path), which cannot be read: \(reason)")
            }
            return named.path
        }
        guard let found = candidates.first(where: { access($0, R_OK) == 0 }) else {
            throw HTTPError(
                .tls,
                "no certificate authorities: set AWS_CA_BUNDLE or SSL_CERT_FILE to a PEM file; looked for "
                    + candidates.joined(separator: ", "))
        }
        return found
    }
}
