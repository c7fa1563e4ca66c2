public import HTTP
import Synchronization

/// Signs requests with AWS Signature Version 4 in the `Authorization` header.
///
/// Keeps the signing keys of the last few days, regions and services, so that a signature costs one HMAC.
public final class SigV4Signer: Sendable {
    private struct CacheKey: Hashable {
        var credentials: AWSCredentials
        var date: String
        var region: String
        var service: String
    }

    /// Few services, regions and credentials are in use at once; when there are more, all are derived again.
    private static let maximumCachedKeys = 32

    private let keys = Mutex<[CacheKey: [UInt8]]>([:])

    /// Makes a signer with an empty cache.
    public init() {}

    /// The request with `Host`, `X-Amz-Date`, `X-Amz-Security-Token` where there is a session token, and
    /// `Authorization`. What the request had of them is replaced.
    ///
    /// - Parameters:
    ///   - payloadHash: the SHA-256 of the body in hexadecimal, or one of the words that S3 takes in its place. With the
    ///     S3 rule it is also set as `X-Amz-Content-SHA256`.
    public func sign(
        _ request: HTTPRequest, scope: SigningScope, credentials: AWSCredentials, payloadHash: String,
        pathRule: CanonicalPathRule
    ) -> HTTPRequest {
        var request = request
        request.headers["Authorization"] = nil
        request.headers["Host"] = URLParts(request.url).authority
        request.headers["X-Amz-Date"] = scope.timestamp
        request.headers["X-Amz-Security-Token"] = credentials.sessionToken
        if pathRule == .s3 { request.headers["X-Amz-Content-SHA256"] = payloadHash }
        let canonical = SigV4.canonicalRequest(request, payloadHash: payloadHash, pathRule: pathRule)
        let signature = SigV4.signature(
            SigV4.stringToSign(canonical, scope: scope), signingKey: signingKey(credentials, scope))
        request.headers["Authorization"] =
            "AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyID)/\(scope.credentialScope), "
            + "SignedHeaders=\(canonical.signedHeaders), Signature=\(signature)"
        return request
    }

    private func signingKey(_ credentials: AWSCredentials, _ scope: SigningScope) -> [UInt8] {
        let cacheKey = CacheKey(
            credentials: credentials, date: scope.date, region: scope.region, service: scope.service)
        return keys.withLock { keys in
            if let key = keys[cacheKey] { return key }
            if keys.count >= Self.maximumCachedKeys { keys.removeAll() }
            let key = SigV4.signingKey(secretAccessKey: credentials.secretAccessKey, scope: scope)
            keys[cacheKey] = key
            return key
        }
    }
}
