/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to the control plane over its unix socket, STATE/api.sock.
 *
 * Two kinds of call: /local/... for this machine's owner, and the RPC API, unsigned here. Both
 * answer JSON. Threads: one.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <jansson.h>

#include "controlplane/cli/cli.h"

/* A list ends with a name of NULL; a value of NULL is left out. */
struct client_param {
	const char *name, *value;
};

/*
 * Each returns CLI_OK and the caller's *answer, or another exit status after saying on standard
 * error what happened (with --json the server's answer goes to standard output).
 */
int client_get(const struct cli *cli, const char *path, const struct client_param *params,
	       json_t **answer);
int client_post(const struct cli *cli, const char *path, const struct client_param *params,
		json_t **answer);
int client_rpc(const struct cli *cli, const char *action, const struct client_param *params,
	       json_t **answer);
/* As client_get and client_rpc, but silent, with a deadline, and why (n bytes) instead. */
int client_try_get(const struct cli *cli, const char *path, long timeout_ms, json_t **answer);
int client_try_rpc(const struct cli *cli, const char *action, const struct client_param *params,
		   json_t **answer, char *why, size_t n);

/* An action whose answer says nothing more; done (NULL: nothing) is printed unless answers are JSON. */
int client_act(const struct cli *cli, const char *action, const struct client_param *params,
	       const char *done);
/* The parts of "domain/app/name" in text[n], which begins with the domain; CLI_OK, or it was said. */
int client_stream(const char *stream, char *text, size_t n, const char **app, const char **name);

/* Members of an object: "" and 0 where they are missing or of another type. */
const char *client_text(const json_t *o, const char *key);
double client_number(const json_t *o, const char *key);
bool client_flag(const json_t *o, const char *key);
/* The answer as one JSON text on standard output. */
void client_print(const json_t *answer);
/* The end of a command that shows something: with --json the answer, else what print() makes of it. Takes
 * the answer; CLI_OK. */
int client_show(const struct cli *cli, json_t *answer, void (*print)(const json_t *answer));

#endif
