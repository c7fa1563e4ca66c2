#pragma once
// SHA256_Init and SHA256_Update are marked as deprecated in favour of EVP, whose digests cannot be saved and gone on with.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
