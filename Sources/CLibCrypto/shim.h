#pragma once
// SHA256_Init and SHA256_Update are marked as deprecated in favour of EVP, whose digests cannot be saved and gone on with.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <string.h>

// The passphrase for a key; without one of ours OpenSSL would ask on the terminal.
static inline int crypto_passphrase(char *buffer, int sizeBytes, int isWriting, void *passphrase) {
    size_t count = strlen((const char *)passphrase);
    if (count > (size_t)sizeBytes) return 0;
    memcpy(buffer, passphrase, count);
    return (int)count;
}

// Whether a private key in PEM form is an RSA key; 0 also when it cannot be decrypted.
static inline int crypto_is_rsa_private_key(const char *pem, int countBytes, const char *passphrase) {
    BIO *source = BIO_new_mem_buf(pem, countBytes);
    EVP_PKEY *key = source ? PEM_read_bio_PrivateKey(source, NULL, crypto_passphrase, (void *)passphrase) : NULL;
    int isRSA = key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    EVP_PKEY_free(key);
    BIO_free(source);
    return isRSA;
}
