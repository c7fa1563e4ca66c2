internal import CLibCurl

/// One libcurl easy handle, with what must live as long as it. Not Sendable: it stays on the I/O thread.
final class EasyHandle {
    let raw: UnsafeMutableRawPointer
    private var headers: UnsafeMutablePointer<curl_slist>?
    private let errorText: UnsafeMutablePointer<CChar>

    /// Makes a handle that writes its errors where `detail` reads them.
    init() throws(HTTPError) {
        guard let raw = curl_easy_init() else { throw HTTPError(.other, "libcurl has no memory for a transfer") }
        self.raw = raw
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        try check(shim_easy_set_pointer(raw, CURLOPT_ERRORBUFFER, errorText))
    }

    deinit {
        // In this order: the handle reads the list and may write an error until it is gone.
        curl_easy_cleanup(raw)
        curl_slist_free_all(headers)
        errorText.deallocate()
    }

    /// What libcurl said of the failure; empty when it had nothing to say.
    var detail: String { String(cString: errorText) }

    func set(_ option: CURLoption, _ value: Int) throws(HTTPError) {
        try check(shim_easy_set_long(raw, option, value))
    }

    func set(_ option: CURLoption, sizeBytes value: UInt64) throws(HTTPError) {
        try check(shim_easy_set_offset(raw, option, curl_off_t(value)))
    }

    /// libcurl copies the string.
    func set(_ option: CURLoption, _ value: String?) throws(HTTPError) {
        try check(shim_easy_set_string(raw, option, value))
    }

    func set(_ option: CURLoption, _ value: UnsafeMutableRawPointer?) throws(HTTPError) {
        try check(shim_easy_set_pointer(raw, option, value))
    }

    func set(_ option: CURLoption, _ callback: @escaping shim_data_callback) throws(HTTPError) {
        try check(shim_easy_set_data_callback(raw, option, callback))
    }

    func setSeek(_ callback: @escaping @convention(c) (UnsafeMutableRawPointer?, curl_off_t, Int32) -> Int32)
        throws(HTTPError)
    {
        try check(shim_easy_set_seek_callback(raw, callback))
    }

    /// Has `callback` called when the connection stands, right before the request is sent.
    func setBeforeRequest(_ callback: curl_prereq_callback) throws(HTTPError) {
        try check(shim_easy_set_prereq_callback(raw, callback))
    }

    /// The header lines, in curl's form.
    func setHeaders(_ lines: [String]) throws(HTTPError) {
        for line in lines {
            guard let longer = curl_slist_append(headers, line) else {
                throw HTTPError(.other, "libcurl has no memory for a header")
            }
            headers = longer
        }
        try check(shim_easy_set_list(raw, CURLOPT_HTTPHEADER, headers))
    }

    /// Whether the request went out on a connection that had served another one before.
    var wasOnReusedConnection: Bool {
        var newConnectionCount = 0
        return shim_easy_get_long(raw, CURLINFO_NUM_CONNECTS, &newConnectionCount) == CURLE_OK
            && newConnectionCount == 0
    }

    private func check(_ code: CURLcode) throws(HTTPError) {
        guard code == CURLE_OK else {
            throw HTTPError(.other, "libcurl refused an option: \(String(cString: curl_easy_strerror(code)))")
        }
    }
}
