/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/objects.h"

#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/check.h"
#include "controlplane/worker/outlet.h"

#define PIECE 16384 /* encrypted at once */

void objects_init(struct objects *o, bool parts)
{
	*o = (struct objects){.segment = -1, .part = -1, .parts = parts};
}

static void drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void objects_fini(struct objects *o)
{
	drop(&o->segment);
	drop(&o->part);
	EVP_CIPHER_CTX_free(o->cipher);
	o->cipher = NULL;
}

void objects_encrypt(struct objects *o, const uint8_t key[OBJECT_KEY_BYTES],
		     const uint8_t iv[OBJECT_KEY_BYTES])
{
	if (!o->cipher)
		o->cipher = EVP_CIPHER_CTX_new();
	must(o->cipher && EVP_EncryptInit_ex(o->cipher, EVP_aes_128_cbc(), NULL, key, iv) == 1);
	o->encrypted = true;
}

static void append(struct objects *o, int *fd, uint64_t *bytes, const uint8_t *p, size_t n)
{
	if (*fd < 0)
		*fd = object_open();
	if (*fd < 0 || !object_write(*fd, p, n))
		o->failed = true;
	*bytes += n;
}

static void append_encrypted(struct objects *o, const uint8_t *p, size_t n)
{
	uint8_t out[PIECE + OBJECT_KEY_BYTES];
	int out_n;

	while (n) {
		size_t piece = min_of(n, (size_t)PIECE);

		must(EVP_EncryptUpdate(o->cipher, out, &out_n, p, (int)piece) == 1);
		append(o, &o->segment, &o->segment_bytes, out, (size_t)out_n);
		p += piece;
		n -= piece;
	}
}

void objects_write(void *arg, const uint8_t *p, size_t n)
{
	struct objects *o = arg;

	if (o->encrypted) {
		append_encrypted(o, p, n);
		return;
	}
	append(o, &o->segment, &o->segment_bytes, p, n);
	if (o->parts)
		append(o, &o->part, &o->part_bytes, p, n);
}

static int take(struct objects *o, int *fd, uint64_t *bytes)
{
	int taken = *fd;

	*fd = -1;
	*bytes = 0;
	if (taken >= 0 && (o->failed || object_seal(taken))) {
		close(taken);
		taken = -1;
	}
	return taken;
}

int objects_take_part(struct objects *o)
{
	return take(o, &o->part, &o->part_bytes);
}

int objects_take_segment(struct objects *o)
{
	uint8_t out[2 * OBJECT_KEY_BYTES];
	int out_n, fd;

	if (o->encrypted && o->segment >= 0) {
		must(EVP_EncryptFinal_ex(o->cipher, out, &out_n) == 1);
		append(o, &o->segment, &o->segment_bytes, out, (size_t)out_n);
	}
	fd = take(o, &o->segment, &o->segment_bytes);
	o->encrypted = o->failed = false;
	return fd;
}
