/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why something ended or was dropped: one table for logs, metrics, callbacks and documentation.
 *
 * Every close and every drop carries one of these. Threads: pure, any.
 */
#ifndef API_REASONS_H
#define API_REASONS_H

#include <stdint.h>

enum reason {
#define REASON(sym, name, final, help) REASON_##sym,
#include "api/reasons.def"
#undef REASON
	REASON_MAX,
};

/* The name as operators see it; "unknown" outside the table. */
static inline const char *reason_name(unsigned reason)
{
	static const char *const names[] = {
#define REASON(sym, name, final, help) name,
#include "api/reasons.def"
#undef REASON
	};

	return reason < REASON_MAX ? names[reason] : "unknown";
}

static inline const char *reason_help(unsigned reason)
{
	static const char *const texts[] = {
#define REASON(sym, name, final, help) help,
#include "api/reasons.def"
#undef REASON
	};

	return reason < REASON_MAX ? texts[reason] : "";
}

/* 1 where trying again soon is useless (interop P2). */
static inline int reason_is_final(unsigned reason)
{
	static const uint8_t final_of[] = {
#define REASON(sym, name, final, help) final,
#include "api/reasons.def"
#undef REASON
	};

	return reason < REASON_MAX && final_of[reason];
}

#endif
