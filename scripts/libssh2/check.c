/* Checks cipher-chachapoly.c: the vectors of RFC 8439, and packets of all kinds against libssh2's own implementation,
 * whose functions scripts/deps compiles under other names, beginning with "own_". Prints what is wrong, and fails. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libssh2_priv.h"
#include "cipher-chachapoly.h"

/* libssh2's own, as far as it is called here; its context is no larger than this. */
int own_chachapoly_init(void *ctx, const unsigned char *key, unsigned int keylen);
int own_chachapoly_crypt(void *ctx, unsigned int seqnr, unsigned char *dest, const unsigned char *src, unsigned int len,
                         unsigned int aadlen, int do_encrypt);
int own_chachapoly_get_length(void *ctx, unsigned int *plenp, unsigned int seqnr, const unsigned char *cp,
                              unsigned int len);

#define OWN_CONTEXT_BYTES 1024
#define MOST_BYTES 40000
#define RANDOM_PACKETS 2000

static int faults;

static void check(int is_right, const char *what)
{
    if(!is_right) {
        fprintf(stderr, "chacha20-poly1305: %s\n", what);
        faults++;
    }
}

static size_t from_hexadecimal(const char *text, unsigned char *bytes)
{
    size_t count = 0;
    unsigned int byte;

    while(sscanf(text + 2 * count, "%2x", &byte) == 1)
        bytes[count++] = (unsigned char)byte;
    return count;
}

/* RFC 8439, section 2.4.2 */
static void check_stream(struct chachapoly_ctx *ctx)
{
    const char *text = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
                       "sunscreen would be it.";
    unsigned char nonce[12], expected[256], actual[256];

    from_hexadecimal("000000000000004a00000000", nonce);
    from_hexadecimal("6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0b"
                     "f91b65c5524733ab8f593dabcd62b3571639d624e65152ab8f530c359f0861d8"
                     "07ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab7793736"
                     "5af90bbf74a35be6b40b8eedf2785e42874d", expected);
    check(chachapoly_stream(ctx->main_ctx, 1, nonce, actual, (const unsigned char *)text, strlen(text)) == 1
          && memcmp(actual, expected, strlen(text)) == 0, "ChaCha20 does not give what RFC 8439 says");
}

/* RFC 8439, section 2.5.2 */
static void check_tag(struct chachapoly_ctx *ctx)
{
    const char *text = "Cryptographic Forum Research Group";
    unsigned char key[32], expected[16], actual[16];

    from_hexadecimal("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b", key);
    from_hexadecimal("a8061dc1305136c6c22b8baf0c0127a9", expected);
    check(chachapoly_tag(ctx->mac_ctx, key, (const unsigned char *)text, strlen(text), actual) == 1
          && memcmp(actual, expected, sizeof(expected)) == 0, "Poly1305 does not give what RFC 8439 says");
}

static void check_packet(struct chachapoly_ctx *ctx, void *own, unsigned int bytes, unsigned int number)
{
    static unsigned char plain[MOST_BYTES + 32], ours[MOST_BYTES + 32], theirs[MOST_BYTES + 32];
    unsigned int i, our_length = 0, their_length = 1, all = bytes + 4;

    for(i = 0; i < all; i++)
        plain[i] = (unsigned char)rand();
    memcpy(ours, plain, all);
    memcpy(theirs, plain, all);
    check(chachapoly_crypt(ctx, number, ours, ours, bytes, 4, 1) == 0
          && own_chachapoly_crypt(own, number, theirs, theirs, bytes, 4, 1) == 0
          && memcmp(ours, theirs, all + 16) == 0, "a packet is encrypted in another way than by libssh2");
    check(chachapoly_get_length(ctx, &our_length, number, ours, 4) == 0
          && own_chachapoly_get_length(own, &their_length, number, ours, 4) == 0 && our_length == their_length,
          "a length is decrypted in another way than by libssh2");
    ours[(unsigned int)rand() % (all + 16)] ^= (unsigned char)(1 << rand() % 8);
    check(chachapoly_crypt(ctx, number, ours, ours, bytes, 4, 0) != 0, "a forged packet is taken");
    check(chachapoly_crypt(ctx, number, theirs, theirs, bytes, 4, 0) == 0 && memcmp(theirs, plain, all) == 0,
          "a packet is not decrypted");
}

int main(void)
{
    struct chachapoly_ctx ctx;
    unsigned char keys[64], own[OWN_CONTEXT_BYTES];
    unsigned int i, length;

    for(i = 0; i < sizeof(keys); i++)
        keys[i] = (unsigned char)i;
    if(chachapoly_init(&ctx, keys, sizeof(keys)) != 0 || own_chachapoly_init(own, keys, sizeof(keys)) != 0) {
        fprintf(stderr, "chacha20-poly1305: cannot begin\n");
        return 1;
    }
    check_stream(&ctx);
    check_tag(&ctx);
    for(i = 0; i <= 300; i++)
        check_packet(&ctx, own, i, i);
    for(i = 0; i < RANDOM_PACKETS; i++)
        check_packet(&ctx, own, (unsigned int)rand() % MOST_BYTES, (unsigned int)rand() * 2654435761u);
    check(chachapoly_get_length(&ctx, &length, 0, keys, 3) != 0, "a length of three bytes is taken");
    chachapoly_cleanup(&ctx);
    check(chachapoly_init(&ctx, keys, 32) != 0, "half a key is taken");
    return faults != 0;
}
