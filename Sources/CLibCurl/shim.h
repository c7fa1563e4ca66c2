#pragma once
#include <curl/curl.h>

// Swift cannot call variadic functions: one typed wrapper for each kind of argument. The parentheses keep curl's
// type-checking macros out, which need the option as a constant.

static inline CURLcode shim_easy_set_long(CURL *_Nonnull easy, CURLoption option, long value) {
    return (curl_easy_setopt)(easy, option, value);
}

static inline CURLcode shim_easy_set_offset(CURL *_Nonnull easy, CURLoption option, curl_off_t value) {
    return (curl_easy_setopt)(easy, option, value);
}

static inline CURLcode shim_easy_set_string(CURL *_Nonnull easy, CURLoption option, const char *_Nullable value) {
    return (curl_easy_setopt)(easy, option, value);
}

static inline CURLcode shim_easy_set_pointer(CURL *_Nonnull easy, CURLoption option, void *_Nullable value) {
    return (curl_easy_setopt)(easy, option, value);
}

static inline CURLcode shim_easy_set_list(CURL *_Nonnull easy, CURLoption option, struct curl_slist *_Nullable value) {
    return (curl_easy_setopt)(easy, option, value);
}

// CURLOPT_READFUNCTION, CURLOPT_WRITEFUNCTION and CURLOPT_HEADERFUNCTION have the same shape.
typedef size_t (*shim_data_callback)(char *_Nonnull buffer, size_t size, size_t count, void *_Nullable context);

static inline CURLcode shim_easy_set_data_callback(
    CURL *_Nonnull easy, CURLoption option, shim_data_callback _Nonnull callback) {
    return (curl_easy_setopt)(easy, option, callback);
}

static inline CURLcode shim_easy_set_seek_callback(CURL *_Nonnull easy, curl_seek_callback _Nonnull callback) {
    return (curl_easy_setopt)(easy, CURLOPT_SEEKFUNCTION, callback);
}

static inline CURLcode shim_easy_set_prereq_callback(CURL *_Nonnull easy, curl_prereq_callback _Nonnull callback) {
    return (curl_easy_setopt)(easy, CURLOPT_PREREQFUNCTION, callback);
}

static inline CURLcode shim_easy_get_pointer(CURL *_Nonnull easy, CURLINFO info, void *_Nullable *_Nonnull value) {
    return (curl_easy_getinfo)(easy, info, value);
}

static inline CURLcode shim_easy_get_long(CURL *_Nonnull easy, CURLINFO info, long *_Nonnull value) {
    return (curl_easy_getinfo)(easy, info, value);
}

static inline CURLMcode shim_multi_set_long(CURLM *_Nonnull multi, CURLMoption option, long value) {
    return (curl_multi_setopt)(multi, option, value);
}

static inline CURLSHcode shim_share_set_long(CURLSH *_Nonnull share, CURLSHoption option, long value) {
    // CURLSHOPT_SHARE takes an enumeration, which is passed as an int.
    return (curl_share_setopt)(share, option, (int)value);
}
