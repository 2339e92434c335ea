/* gzip, by zlib. */
// SPDX-License-Identifier: Apache-2.0
#include "sentinel/gzip.h"

#define ZLIB_CONST
#include <errno.h>
#include <zlib.h>

enum {
    GZIP_WINDOW = 15 + 16, /* 32 KiB, and 16 asks for the gzip header instead of zlib's */
    GZIP_MEMORY = 8,
    GZIP_BLOCK = 16 * 1024,
    GZIP_PIECE_MAX = 1 << 30, /* avail_in is an unsigned int, sizes are not */
};

static int deflate_piece(z_stream *z, int flush, struct bytes *ret)
{
    unsigned char block[GZIP_BLOCK];
    do {
        z->next_out = block;
        z->avail_out = sizeof block;
        if (deflate(z, flush) == Z_STREAM_ERROR)
            return -EIO;
        bytes_add(ret, block, sizeof block - z->avail_out);
        if (ret->failed)
            return ret->len + sizeof block > ret->max ? -EFBIG : -ENOMEM;
    } while (z->avail_out == 0);
    return 0;
}

int gzip_compress(const void *data, size_t len, struct bytes *ret)
{
    z_stream z = {0};
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    const unsigned char *at = data;
    int                  error = 0;
    do {
        size_t piece = len < GZIP_PIECE_MAX ? len : GZIP_PIECE_MAX;
        z.next_in = at;
        z.avail_in = (uInt)piece;
        at += piece;
        len -= piece;
        error = deflate_piece(&z, len > 0 ? Z_NO_FLUSH : Z_FINISH, ret);
    } while (error == 0 && len > 0);
    (void)deflateEnd(&z);
    return error;
}

/* Up to the end of a member. */
static int inflate_member(z_stream *z, struct bytes *ret)
{
    unsigned char block[GZIP_BLOCK];
    for (int code = Z_OK; code != Z_STREAM_END;) {
        z->next_out = block;
        z->avail_out = sizeof block;
        code = inflate(z, Z_NO_FLUSH);
        if (code != Z_OK && code != Z_STREAM_END)
            return code == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
        bytes_add(ret, block, sizeof block - z->avail_out);
        if (ret->failed)
            return ret->len + sizeof block > ret->max ? -EFBIG : -ENOMEM;
    }
    return 0;
}

int gzip_expand(const void *data, size_t len, struct bytes *ret)
{
    z_stream z = {.next_in = data, .avail_in = len < GZIP_PIECE_MAX ? (uInt)len : 0};
    if (len == 0 || z.avail_in != len)
        return len == 0 ? -EBADMSG : -EFBIG;
    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
        return -ENOMEM;
    int error = inflate_member(&z, ret);
    while (error == 0 && z.avail_in > 0)
        error = inflateReset(&z) == Z_OK ? inflate_member(&z, ret) : -EIO;
    (void)inflateEnd(&z);
    return error;
}
