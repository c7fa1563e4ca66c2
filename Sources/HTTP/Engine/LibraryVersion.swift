internal import CLibCurl

extension HTTPClient {
    /// The libraries that speak HTTP and TLS, as libcurl names them, such as `libcurl/8.14.1 OpenSSL/3.0.17`.
    public static var libraryVersion: String { curl_version().map { String(cString: $0) } ?? "libcurl" }
}
