/* SPDX-License-Identifier: Apache-2.0 */
#include "session/inner.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/digest.h"
#include "media/url.h"

static char key[65];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_key(void)
{
	uint8_t random[32];

	must(getrandom(random, sizeof(random), 0) == sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(key + 2 * i, 3, "%02x", random[i]);
}

const char *inner_key(void)
{
	pthread_once(&once, make_key);
	return key;
}

bool inner_name(const struct stream_name *name)
{
	return name->domain[0] == '_';
}

bool inner_pass(const struct stream_name *name)
{
	char text[sizeof(key) + STREAM_KEY_MAX], stream[STREAM_KEY_MAX];
	char want[DIGEST_TEXT], given[DIGEST_TEXT + 1] = "";

	if (!params_get(name->params, "pass", given, sizeof(given)) ||
	    strlen(given) != DIGEST_TEXT - 1)
		return false;
	snprintf(text, sizeof(text), "%s%s", inner_key(), stream_key(stream, name));
	return digest_same(digest_text(want, text), given, DIGEST_TEXT - 1);
}
