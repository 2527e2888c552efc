/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API.md and REDIS.md, written from the tables that the program runs on.
 */
#ifndef CONTROLPLANE_DOCS_H
#define CONTROLPLANE_DOCS_H

#include <stdio.h>

void docs_api(FILE *to);
void docs_redis(FILE *to);

#endif
