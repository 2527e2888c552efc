/* SPDX-License-Identifier: Apache-2.0 */
/* Plays every tests/sim_tcp/ *.pkt, or those given; one TAP line each. SIM_TOLD=1 tells packets. */
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "sim_tcp/dialogue.h"

int main(int argc, char **argv)
{
	glob_t found = {0};
	char err[400];
	int bad = 0;

	if (argc < 2 && glob("tests/sim_tcp/*.pkt", 0, NULL, &found)) {
		printf("1..1\nnot ok 1 - tests/sim_tcp/*.pkt: no dialogues here\n");
		return 1;
	}
	if (argc < 2) {
		argc = (int)found.gl_pathc + 1;
		argv = found.gl_pathv - 1;
	}
	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		int rc = dialogue_play(argv[i], err, sizeof(err));

		printf("%sok %d - %s%s%s\n", rc ? "not " : "", i, argv[i], rc ? ": " : "",
		       rc ? err : "");
		bad |= rc;
	}
	globfree(&found);
	return bad ? 1 : 0;
}
