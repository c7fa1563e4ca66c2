#pragma once
#include <libssh2.h>
#include <malloc.h>
#include <sys/eventfd.h>

// Setting a callback has another name since libssh2 1.11.1, which deprecates the old one.
#if LIBSSH2_VERSION_NUM >= 0x010b01
static inline void ssh2_set_send_callback(LIBSSH2_SESSION *session, LIBSSH2_SEND_FUNC((*callback))) {
    libssh2_session_callback_set2(session, LIBSSH2_CALLBACK_SEND, (libssh2_cb_generic *)callback);
}
static inline void ssh2_set_receive_callback(LIBSSH2_SESSION *session, LIBSSH2_RECV_FUNC((*callback))) {
    libssh2_session_callback_set2(session, LIBSSH2_CALLBACK_RECV, (libssh2_cb_generic *)callback);
}
static inline void ssh2_set_disconnect_callback(LIBSSH2_SESSION *session, LIBSSH2_DISCONNECT_FUNC((*callback))) {
    libssh2_session_callback_set2(session, LIBSSH2_CALLBACK_DISCONNECT, (libssh2_cb_generic *)callback);
}
#else
static inline void ssh2_set_send_callback(LIBSSH2_SESSION *session, LIBSSH2_SEND_FUNC((*callback))) {
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_SEND, (void *)callback);
}
static inline void ssh2_set_receive_callback(LIBSSH2_SESSION *session, LIBSSH2_RECV_FUNC((*callback))) {
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_RECV, (void *)callback);
}
static inline void ssh2_set_disconnect_callback(LIBSSH2_SESSION *session, LIBSSH2_DISCONNECT_FUNC((*callback))) {
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_DISCONNECT, (void *)callback);
}
#endif

// The preference for signatures with RSA keys, since libssh2 1.11; -1, which libssh2
// refuses, where there is none.
#ifdef LIBSSH2_METHOD_SIGN_ALGO
static const int ssh2_method_sign_algo = LIBSSH2_METHOD_SIGN_ALGO;
#else
static const int ssh2_method_sign_algo = -1;
#endif

// Flags that the patches in scripts/libssh2 give to libssh2_session_flag. A libssh2 without them refuses the flags, and
// does as ever.

// The session does not wait for SSH_MSG_SERVICE_ACCEPT before it logs in (RFC 4253, section 10, does not ask for it).
#define SSH2_FLAG_SERVICE_UNAWAITED 0x53465401
// A key signs at once, without asking before whether the server knows it (RFC 4252, section 7).
#define SSH2_FLAG_KEY_UNANNOUNCED 0x53465402
// AES-GCM gets whole packets, and not 16 bytes at a time. Setting it changes nothing; that it is known tells so.
#define SSH2_FLAG_WHOLE_PACKET_GCM 0x53465403
