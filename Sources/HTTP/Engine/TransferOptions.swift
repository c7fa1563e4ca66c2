internal import CLibCurl

/// What every transfer tells libcurl.
struct TransferOptions {
    /// A connection that has nothing to say is probed after so long, and then so often: below the 350 s after which a
    /// NAT gateway of AWS forgets it.
    static let keepAliveIdleSeconds = 60
    static let keepAliveIntervalSeconds = 15

    let configuration: HTTPClientConfiguration
    let share: UnsafeMutableRawPointer

    func apply(_ plan: RequestPlan, to easy: EasyHandle) throws(HTTPError) {
        try applyConnection(plan, to: easy)
        try applyProxy(plan.destination, to: easy)
        if plan.destination.isSecure { try applyTLS(to: easy) }
        try applyRequest(plan, to: easy)
    }

    private func applyConnection(_ plan: RequestPlan, to easy: EasyHandle) throws(HTTPError) {
        try easy.set(CURLOPT_PROTOCOLS_STR, plan.destination.isSecure ? "https" : "http")
        // One request at a time on a connection, so that a transfer that its reader has paused holds up no other.
        try easy.set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        try easy.set(CURLOPT_FOLLOWLOCATION, 0)
        // Signals belong to the process, not to this library; a name look-up may outlive its cancelled transfer
        // rather than hold up the I/O thread.
        try easy.set(CURLOPT_NOSIGNAL, 1)
        try easy.set(CURLOPT_QUICK_EXIT, 1)
        try easy.set(CURLOPT_TCP_NODELAY, 1)
        try easy.set(CURLOPT_TCP_KEEPALIVE, 1)
        try easy.set(CURLOPT_TCP_KEEPIDLE, Self.keepAliveIdleSeconds)
        try easy.set(CURLOPT_TCP_KEEPINTVL, Self.keepAliveIntervalSeconds)
        try easy.set(CURLOPT_MAXAGE_CONN, configuration.maximumIdleSeconds)
        try easy.set(CURLOPT_BUFFERSIZE, configuration.receiveBufferBytes)
        try easy.set(CURLOPT_SHARE, share)
        // Zero would mean libcurl's own 300 s.
        let connectSeconds = plan.limits.connectTimeoutSeconds
        let milliseconds = connectSeconds > 0 ? min(connectSeconds * 1_000, Double(Int32.max)) : Double(Int32.max)
        try easy.set(CURLOPT_CONNECTTIMEOUT_MS, max(1, Int(milliseconds)))
    }

    private func applyProxy(_ destination: RequestURL, to easy: EasyHandle) throws(HTTPError) {
        let proxy = configuration.proxies.proxy(for: destination)
        // Both are set even when there is nothing to say, or libcurl would look into the process's environment.
        try easy.set(CURLOPT_PROXY, proxy?.address ?? "")
        try easy.set(CURLOPT_NOPROXY, configuration.proxies.exceptions)
        guard let proxy else { return }
        try easy.set(CURLOPT_PROXYUSERNAME, proxy.user)
        try easy.set(CURLOPT_PROXYPASSWORD, proxy.password)
        try easy.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        if proxy.address.lowercased().hasPrefix("https:") {
            try easy.set(CURLOPT_PROXY_CAINFO, configuration.certificates.path())
            try easy.set(CURLOPT_PROXY_CAPATH, String?.none)
        }
    }

    private func applyTLS(to easy: EasyHandle) throws(HTTPError) {
        try easy.set(CURLOPT_SSL_VERIFYPEER, 1)
        try easy.set(CURLOPT_SSL_VERIFYHOST, 2)
        try easy.set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        try easy.set(CURLOPT_CAINFO, configuration.certificates.path())
        // Without this the folder that libcurl was built with would be trusted as well.
        try easy.set(CURLOPT_CAPATH, String?.none)
    }

    private func applyRequest(_ plan: RequestPlan, to easy: EasyHandle) throws(HTTPError) {
        try easy.set(CURLOPT_URL, plan.url)
        try easy.set(CURLOPT_PATH_AS_IS, 1)
        // libcurl takes a URL apart and puts it together again, which newer versions do with small changes. A plain
        // proxy needs the whole URL here, and whether there is one is only known after the exceptions.
        if plan.destination.isSecure || configuration.proxies.proxy(for: plan.destination) == nil {
            try easy.set(CURLOPT_REQUEST_TARGET, plan.target)
        }
        try easy.setHeaders(plan.headerLines)
        if plan.announcesBody {
            try easy.set(CURLOPT_UPLOAD, 1)
            try easy.set(CURLOPT_INFILESIZE_LARGE, sizeBytes: plan.body.lengthBytes)
            try easy.set(CURLOPT_UPLOAD_BUFFERSIZE, configuration.uploadBufferBytes)
        } else if plan.method == .head {
            try easy.set(CURLOPT_NOBODY, 1)
        }
        if plan.method != .get || plan.announcesBody { try easy.set(CURLOPT_CUSTOMREQUEST, plan.method.rawValue) }
    }
}
