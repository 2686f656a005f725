/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings - any bytes as tollgate.yaml: never a crash; what does not load says why, and what loads
 * listens on loopback unless its text says insecure, and hands on no value with a line break.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
harmless(const struct settings *s, bool insecure)
{
	for (size_t i = 0; i < s->listen_n; i++)
		if (!insecure && strncmp(s->listen[i].address, "127.", 4) != 0 &&
		    strchr(s->listen[i].address, ':') == strrchr(s->listen[i].address, ':'))
			abort();
	for (size_t i = 0; i < s->servers_n; i++) {
		const struct server_settings *one = &s->servers[i];

		if ((one->argv == NULL) == (one->url == NULL))
			abort();
		for (size_t k = 0; k < one->headers_n; k++)
			if (str_has(one->headers[k].value, '\n') ||
			    str_has(one->headers[k].value, '\r'))
				abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char path[64];
	struct buf warnings;
	struct settings *s;
	struct err e;
	FILE *f;

	if (path[0] == '\0') {
		(void)snprintf(path, sizeof(path), "/tmp/tollgate-fuzz-%d.yaml", (int)getpid());
		(void)setenv("SET", "value", 1);
		(void)setenv("BREAK", "a\r\nb", 1);
	}
	f = fopen(path, "w");
	if (f == NULL || fwrite(data, 1, n, f) != n || fclose(f) != 0)
		abort();
	buf_init(&warnings, 0);
	err_clear(&e);
	s = settings_load(path, &warnings, &e);
	if (s == NULL && (e.code == ERR_NONE || e.text[0] == '\0'))
		abort();
	if (s != NULL)
		harmless(
		    s, memmem(data, n, "insecure", 8) != NULL || memchr(data, '\\', n) != NULL);
	settings_free(&s);
	buf_fini(&warnings);
	(void)unlink(path);
	return 0;
}
