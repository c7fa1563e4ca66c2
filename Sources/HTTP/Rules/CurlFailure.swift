internal import CLibCurl
import TextForms

/// What libcurl's result codes mean to a caller.
enum CurlFailure {
    /// The error for a transfer that ended with `code`.
    /// - Parameters:
    ///   - detail: what libcurl wrote into the error buffer; its general text for the code when that is empty.
    ///   - wasConnected: whether the connection stood, TLS included, so that the request could be sent.
    static func error(_ code: CURLcode, detail: String, label: String, wasConnected: Bool) -> HTTPError {
        let text = detail.isEmpty ? String(cString: curl_easy_strerror(code)) : detail
        return HTTPError(
            kind(code, detail: text, wasConnected: wasConnected), "\(label): \(text) (curl \(code.rawValue))")
    }

    private static func kind(_ code: CURLcode, detail: String, wasConnected: Bool) -> HTTPError.Kind {
        switch code {
        case CURLE_URL_MALFORMAT: .invalidRequest
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: .resolve
        case CURLE_COULDNT_CONNECT, CURLE_PROXY: .connect
        // Total timeouts are ours (TransferLoop); the only one that libcurl keeps is that of the connection.
        case CURLE_OPERATION_TIMEDOUT: wasConnected ? .stalled : .connectTimeout
        case CURLE_SSL_CONNECT_ERROR: brokeOnTheWay(detail) ? .connect : .tls
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_ISSUER_ERROR, CURLE_SSL_ENGINE_NOTFOUND, CURLE_SSL_ENGINE_SETFAILED, CURLE_SSL_INVALIDCERTSTATUS,
            CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_USE_SSL_FAILED:
            .tls
        // Before the connection stands these come from the proxy's answer or from a server that hangs up at once.
        case CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING: wasConnected ? .connectionLost : .connect
        case CURLE_PARTIAL_FILE, CURLE_SEND_FAIL_REWIND: .connectionLost
        case CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING: .malformedResponse
        // The request's own scheme has been checked: this is an answer without an HTTP/1 status line.
        case CURLE_UNSUPPORTED_PROTOCOL: wasConnected ? .malformedResponse : .invalidRequest
        default: .other
        }
    }

    /// A handshake that ended with the connection, not with a refusal: trying again may help.
    private static func brokeOnTheWay(_ detail: String) -> Bool {
        let signs = ["SSL_ERROR_SYSCALL", "reset by peer", "unexpected eof", "Broken pipe"]
        return signs.contains { detail.firstPlace(of: $0) != nil }
    }
}
