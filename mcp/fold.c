/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fold - one name for a tool or a prompt that every client accepts.
 *
 * Claude Code folds what it does not like to _ and drops what then collides, and it puts
 * mcp__<its name of us>__ in front of at most 128 bytes: so folding is done here, once, and leaves
 * room for that.
 */
#include "mcp/fold.h"

#include <stdio.h>
#include <string.h>

#define HASH_CHARS 7 /* _ and six hex digits */

static void
fold(char *out, size_t cap, struct str server, struct str name)
{
	size_t n = 0;

	for (size_t i = 0; i < server.n + 2 + name.n && n + 1 < cap; i++) {
		unsigned char c = '_';

		if (i < server.n)
			c = (unsigned char)server.p[i];
		else if (i >= server.n + 2)
			c = (unsigned char)name.p[i - server.n - 2];
		if ((c & 0xc0) == 0x80)
			continue; /* a character, not a byte, becomes _ */
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '_' || c == '-'))
			c = '_';
		out[n++] = (char)c;
	}
	out[n] = '\0';
}

/* FNV-1a: the same in every process, unlike map_hash(). */
static uint32_t
stable_hash(struct str s)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 16777619u;
	return h ^ h >> 24;
}

void
fold_listed(struct buf *out, struct str server, struct str name, const struct map *taken)
{
	char full[FOLD_NAME_MAX * 2 + 8];
	size_t n;

	fold(full, sizeof(full), server, name);
	n = strlen(full);
	if (n > FOLD_LISTED_MAX || map_get(taken, (struct str){ full, n }) != NULL) {
		if (n > FOLD_LISTED_MAX - HASH_CHARS)
			n = FOLD_LISTED_MAX - HASH_CHARS;
		(void)snprintf(
		    full + n, sizeof(full) - n, "_%06x", (unsigned)(stable_hash(name) & 0xffffff));
		n += HASH_CHARS;
		if (map_get(taken, (struct str){ full, n }) != NULL)
			return;
	}
	buf_put(out, (struct str){ full, n });
}

bool
fold_usable(struct str name, size_t max)
{
	if (name.n == 0 || name.n > max || !str_utf8(name))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
			return false;
	return true;
}
