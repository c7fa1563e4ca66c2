/* chacha20-poly1305@openssh.com (OpenSSH, PROTOCOL.chacha20poly1305) for libssh2, over libcrypto.
 *
 * libssh2 has ChaCha20 and Poly1305 in portable C, a block at a time. They were 57 to 72 percent of the CPU time of a
 * transfer; libcrypto's use the vector units. scripts/deps puts this file in the place of libssh2's own of the same
 * name and runs check.c before it installs the result. libssh2 works the same without it, only slower. */

#include "libssh2_priv.h"
#include "cipher-chachapoly.h"

#include <limits.h>
#include <openssl/crypto.h>

#define LENGTH_BYTES 4
#define NONCE_BYTES 12

static EVP_CIPHER_CTX *keyed(const unsigned char *key)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();

    if(cipher && EVP_EncryptInit_ex(cipher, EVP_chacha20(), NULL, key, NULL) != 1) {
        EVP_CIPHER_CTX_free(cipher);
        return NULL;
    }
    return cipher;
}

int chachapoly_init(struct chachapoly_ctx *ctx, const unsigned char *keys, unsigned int keys_bytes)
{
    EVP_MAC *mac;

    ctx->main_ctx = NULL;
    ctx->header_ctx = NULL;
    ctx->mac_ctx = NULL;
    if(keys_bytes != 2 * CHACHA20_KEY_BYTES)
        return LIBSSH2_ERROR_INVAL;
    mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);
    if(mac) {
        ctx->mac_ctx = EVP_MAC_CTX_new(mac);
        EVP_MAC_free(mac);
    }
    ctx->main_ctx = keyed(keys);
    ctx->header_ctx = keyed(keys + CHACHA20_KEY_BYTES);
    if(!ctx->main_ctx || !ctx->header_ctx || !ctx->mac_ctx) {
        chachapoly_cleanup(ctx);
        return LIBSSH2_ERROR_ALLOC;
    }
    return 0;
}

void chachapoly_cleanup(struct chachapoly_ctx *ctx)
{
    EVP_CIPHER_CTX_free(ctx->main_ctx);
    EVP_CIPHER_CTX_free(ctx->header_ctx);
    EVP_MAC_CTX_free(ctx->mac_ctx);
    ctx->main_ctx = NULL;
    ctx->header_ctx = NULL;
    ctx->mac_ctx = NULL;
}

int chachapoly_stream(EVP_CIPHER_CTX *cipher, uint32_t counter, const unsigned char nonce[12], unsigned char *to,
                      const unsigned char *from, size_t bytes)
{
    /* What libcrypto calls the initialization vector are words 12 to 15 of the state, in their order. */
    unsigned char state[4 + NONCE_BYTES];
    int written = 0;
    int i;

    if(bytes > INT_MAX)
        return 0;
    for(i = 0; i < 4; i++)
        state[i] = (unsigned char)(counter >> (8 * i));
    memcpy(state + 4, nonce, NONCE_BYTES);
    return EVP_EncryptInit_ex(cipher, NULL, NULL, NULL, state) == 1
        && EVP_EncryptUpdate(cipher, to, &written, from, (int)bytes) == 1 && (size_t)written == bytes;
}

int chachapoly_tag(EVP_MAC_CTX *mac, const unsigned char key[POLY1305_KEY_BYTES], const unsigned char *from,
                   size_t bytes, unsigned char tag[POLY1305_TAG_BYTES])
{
    size_t written = 0;

    return EVP_MAC_init(mac, key, POLY1305_KEY_BYTES, NULL) == 1 && EVP_MAC_update(mac, from, bytes) == 1
        && EVP_MAC_final(mac, tag, &written, POLY1305_TAG_BYTES) == 1 && written == POLY1305_TAG_BYTES;
}

/* The nonce of a packet: its sequence number, big-endian, in the last eight bytes. The counter has 64 bits here, of which
 * the upper half, the first four bytes, is never needed. */
static void make_nonce(unsigned char nonce[NONCE_BYTES], unsigned int sequence_number)
{
    int i;

    memset(nonce, 0, NONCE_BYTES);
    for(i = 0; i < 4; i++)
        nonce[NONCE_BYTES - 1 - i] = (unsigned char)(sequence_number >> (8 * i));
}

int chachapoly_crypt(struct chachapoly_ctx *ctx, unsigned int sequence_number, unsigned char *to,
                     const unsigned char *from, unsigned int bytes, unsigned int aad_bytes, int do_encrypt)
{
    unsigned char nonce[NONCE_BYTES];
    unsigned char mac_key[POLY1305_KEY_BYTES];
    unsigned char tag[POLY1305_TAG_BYTES];
    size_t all = (size_t)aad_bytes + bytes;
    int result = LIBSSH2_ERROR_DECRYPT;

    make_nonce(nonce, sequence_number);
    /* The key of the tag is the beginning of block 0; the packet begins with block 1. */
    memset(mac_key, 0, sizeof(mac_key));
    if(!chachapoly_stream(ctx->main_ctx, 0, nonce, mac_key, mac_key, sizeof(mac_key)))
        goto end;
    if(!do_encrypt) {
        if(!chachapoly_tag(ctx->mac_ctx, mac_key, from, all, tag)
           || CRYPTO_memcmp(tag, from + all, sizeof(tag)) != 0)
            goto end;
    }
    if(aad_bytes && !chachapoly_stream(ctx->header_ctx, 0, nonce, to, from, aad_bytes))
        goto end;
    if(!chachapoly_stream(ctx->main_ctx, 1, nonce, to + aad_bytes, from + aad_bytes, bytes))
        goto end;
    if(do_encrypt && !chachapoly_tag(ctx->mac_ctx, mac_key, to, all, to + all))
        goto end;
    result = 0;
end:
    OPENSSL_cleanse(mac_key, sizeof(mac_key));
    return result;
}

int chachapoly_get_length(struct chachapoly_ctx *ctx, unsigned int *length, unsigned int sequence_number,
                          const unsigned char *from, unsigned int bytes)
{
    unsigned char nonce[NONCE_BYTES];
    unsigned char plain[LENGTH_BYTES];

    if(bytes < LENGTH_BYTES)
        return -1;
    make_nonce(nonce, sequence_number);
    if(!chachapoly_stream(ctx->header_ctx, 0, nonce, plain, from, LENGTH_BYTES))
        return -1;
    *length = (unsigned int)plain[0] << 24 | (unsigned int)plain[1] << 16 | (unsigned int)plain[2] << 8 | plain[3];
    return 0;
}
