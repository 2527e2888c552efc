/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration as every process sees it: one field per line of config.def.
 *
 * Loading and checking is base/conf.h; this is only the shape. Durations are milliseconds, sizes
 * are bytes, text is NUL-terminated and owned by the struct.
 */
#ifndef API_CONFIG_H
#define API_CONFIG_H

#include <stdint.h>

enum conf_type { CONF_BOOL, CONF_INT, CONF_MS, CONF_BYTES, CONF_STR, CONF_ADDR, CONF_ENUM };

/* When a changed value takes effect after a reload. */
enum conf_when { CONF_NOW, CONF_NEW, CONF_RESTART };

#define CONF_FIELD_BOOL(f)  int64_t f;
#define CONF_FIELD_INT(f)   int64_t f;
#define CONF_FIELD_MS(f)    int64_t f;
#define CONF_FIELD_BYTES(f) int64_t f;
#define CONF_FIELD_STR(f)   char f[1025];
#define CONF_FIELD_ADDR(f)  char f[1025];
#define CONF_FIELD_ENUM(f)  char f[32];

struct config {
#define CONF(field, key, type, def, min, max, when, help) CONF_FIELD_##type(field)
#include "api/config.def"
#undef CONF
};

#endif
