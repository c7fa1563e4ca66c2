import HTTP

/// An error answer of AWS, whatever its wire format.
struct ServiceFailure: Sendable, Hashable {
    /// The HTTP status; errors inside 200 answers keep that status.
    var status: Int
    /// AWS's code; nil when the answer has no body, as to HEAD.
    var code: String?
    var message: String?
    /// The region the answer names as the right one.
    var region: String?
    var requestID: String?
    var hostID: String?
    /// The server's time, from the Date header, in seconds since 1970.
    var serverEpochSeconds: Int64?

    /// The longest message that is kept; more is cut off.
    static let maximumMessageBytes = 1024
}

/// What to do about a failure.
enum Verdict: Sendable, Hashable {
    /// Try again after a wait, while attempts and time are left.
    case retry(AWSError.Kind)
    /// Try again at once with fresh credentials.
    case refreshCredentials
    /// Try again at once with the server's time.
    case correctClock
    /// Try again at once in the region that was named.
    case changeRegion
    /// Give up.
    case fail(AWSError.Kind)
}

extension ServiceFailure {
    /// Codes that ask to slow down.
    static let throttlingCodes: Set<String> = [
        "SlowDown", "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled",
        "RequestThrottledException", "TooManyRequestsException", "RequestLimitExceeded", "BandwidthLimitExceeded",
        "KmsThrottled",
        // So many messages of the queue are being received that SQS gives no more for now.
        "OverLimit",
    ]
    /// Codes of failures that pass.
    static let transientCodes: Set<String> = [
        "InternalError", "InternalFailure", "InternalServerError", "InternalServiceError",
        "InternalServiceErrorException",
        "ServiceUnavailable", "RequestTimeout", "RequestTimeoutException",
    ]
    static let expiredCodes: Set<String> = ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"]
    /// Codes that always mean the clock.
    static let clockCodes: Set<String> = ["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"]
    /// Codes that mean the clock when it is seen to be wrong.
    static let possibleClockCodes: Set<String> = [
        "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure", "AccessDenied", "AccessDeniedException",
    ]
    static let regionCodes: Set<String> = [
        "PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed",
    ]
    static let notFoundCodes: Set<String> = [
        "NoSuchKey", "NoSuchBucket", "NoSuchUpload", "NoSuchVersion", "NotFound", "ResourceNotFoundException",
        "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue",
    ]
    static let deniedCodes: Set<String> = [
        "AccessDenied", "AccessDeniedException", "InvalidAccessKeyId", "SignatureDoesNotMatch",
        "InvalidSignatureException", "UnrecognizedClientException", "InvalidClientTokenId", "InvalidToken",
        "AllAccessDisabled", "AccountProblem", "NotAuthorized", "MissingAuthenticationToken", "AuthFailure",
        "KmsAccessDenied",
    ]
    /// S3 takes fifteen minutes, the others five; from four on the clock is worth correcting.
    static let toleratedSkewSeconds: Double = 240

    /// Judges a failure by its code, and without one by its status.
    /// - Parameters:
    ///   - usedRegion: the region the request was signed for.
    ///   - signedEpochSeconds: the time the request was signed with.
    func verdict(usedRegion: String, signedEpochSeconds: Double) -> Verdict {
        let code = code ?? ""
        if Self.throttlingCodes.contains(code) || status == 429 { return .retry(.throttled) }
        if Self.transientCodes.contains(code) { return .retry(.unavailable) }
        if Self.expiredCodes.contains(code) { return .refreshCredentials }
        if Self.clockCodes.contains(code) { return .correctClock }
        if isSkewed(signedEpochSeconds), Self.possibleClockCodes.contains(code) || (code.isEmpty && status == 403) {
            return .correctClock
        }
        let namesOther = region.map { $0 != usedRegion } ?? false
        if Self.regionCodes.contains(code) || status == 301 || status == 307
            || (code.isEmpty && status == 400 && namesOther)
        {
            return namesOther ? .changeRegion : .fail(.wrongRegion)
        }
        // S3 answers HEAD with nothing but 400 when the session token has ended.
        if code.isEmpty && status == 400 { return .refreshCredentials }
        if Self.notFoundCodes.contains(code) { return .fail(.notFound) }
        if Self.deniedCodes.contains(code) { return .fail(.denied) }
        return judgedByStatus
    }

    private var judgedByStatus: Verdict {
        switch status {
        case 404: .fail(.notFound)
        case 401, 403: .fail(.denied)
        case 409: .fail(.conflict)
        case 412: .fail(.preconditionFailed)
        // A proxy or load balancer on the way says 502 or 504 for what is a dropped connection behind it.
        case 500, 502, 503, 504: .retry(.unavailable)
        default: .fail(.rejected)
        }
    }

    private func isSkewed(_ signedEpochSeconds: Double) -> Bool {
        guard let serverEpochSeconds else { return false }
        return abs(Double(serverEpochSeconds) - signedEpochSeconds) > Self.toleratedSkewSeconds
    }
}
