/* The interface that libssh2's crypt.c expects of chacha20-poly1305@openssh.com, and `chachapoly_cleanup`, which
 * scripts/deps has it call. See cipher-chachapoly.c. */
#ifndef SFTP_LAMBDA_CIPHER_CHACHAPOLY_H
#define SFTP_LAMBDA_CIPHER_CHACHAPOLY_H

#include <stddef.h>
#include <stdint.h>
#include <openssl/evp.h>

#define CHACHA20_KEY_BYTES 32
#define POLY1305_TAG_BYTES 16
#define POLY1305_KEY_BYTES 32

struct chachapoly_ctx {
    EVP_CIPHER_CTX *main_ctx;
    EVP_CIPHER_CTX *header_ctx;
    EVP_MAC_CTX *mac_ctx;
};

/* Takes two keys, the one of the packets and that of their lengths. 0, or an error code of libssh2. */
int chachapoly_init(struct chachapoly_ctx *ctx, const unsigned char *keys, unsigned int keys_bytes);

/* Frees what chachapoly_init made. */
void chachapoly_cleanup(struct chachapoly_ctx *ctx);

/* Encrypts or decrypts a packet: `aad_bytes` of length under the one key and `bytes` behind them under the other. The
 * tag follows both; it is written, or compared before anything is decrypted. 0, or an error code of libssh2. */
int chachapoly_crypt(struct chachapoly_ctx *ctx, unsigned int sequence_number, unsigned char *to,
                     const unsigned char *from, unsigned int bytes, unsigned int aad_bytes, int do_encrypt);

/* Decrypts the length of a packet; -1 when there are fewer than four bytes. */
int chachapoly_get_length(struct chachapoly_ctx *ctx, unsigned int *length, unsigned int sequence_number,
                          const unsigned char *from, unsigned int bytes);

/* ChaCha20 (RFC 8439, section 2.4) under the key of `cipher`, beginning with a block. `nonce` is words 13 to 15 of the
 * state, `counter` word 12. 1 when it worked. */
int chachapoly_stream(EVP_CIPHER_CTX *cipher, uint32_t counter, const unsigned char nonce[12], unsigned char *to,
                      const unsigned char *from, size_t bytes);

/* Poly1305 (RFC 8439, section 2.5). 1 when it worked. */
int chachapoly_tag(EVP_MAC_CTX *mac, const unsigned char key[POLY1305_KEY_BYTES], const unsigned char *from,
                   size_t bytes, unsigned char tag[POLY1305_TAG_BYTES]);

#endif
