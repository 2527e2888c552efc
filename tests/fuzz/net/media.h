/* SPDX-License-Identifier: Apache-2.0 */
/* Short audio, video and data messages that scripts send by number. */
#ifndef TESTS_FUZZ_MEDIA_H
#define TESTS_FUZZ_MEDIA_H

#include <stddef.h>
#include <stdint.h>

struct media_sample {
	uint8_t type; /* enum msg_type */
	uint8_t n;
	uint8_t data[120];
};

/* which: any number. */
const struct media_sample *media_sample(unsigned which);

#endif
