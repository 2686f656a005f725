/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings_sandbox - `sandbox:`: how scripts are locked, and what all of them may have together.
 * What one script may have is said by policies (docs/policies.md).
 */
#include "gateway/settings_read.h"

#define LEAST_BYTES ((int64_t)64 << 20)
#define MOST_BYTES  ((int64_t)1 << 40)

static void
require_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct word words[] = { { "reduced", 0 }, { "full", 1 }, { NULL, 0 } };
	int v = 0;

	if (word_read(r, y, words, &v))
		*(bool *)into = v == 1;
}

static void
count_read(struct reading *r, struct yaml *y, void *into, int64_t most)
{
	int64_t v;
	struct err e;

	if (yaml_i64(y, 1, most, &v, &e))
		*(int *)into = (int)v;
	else
		(void)bad_err(r, &e);
}

static void
idle_read(struct reading *r, struct yaml *y, void *into)
{
	count_read(r, y, into, 32);
}

static void
running_read(struct reading *r, struct yaml *y, void *into)
{
	count_read(r, y, into, 64);
}

static void
queue_read(struct reading *r, struct yaml *y, void *into)
{
	count_read(r, y, into, 10000);
}

static void
memory_read(struct reading *r, struct yaml *y, void *into)
{
	int64_t v = 0;
	struct err e;

	if (!yaml_bytes(y, &v, &e))
		(void)bad_err(r, &e);
	else if (v < LEAST_BYTES || v > MOST_BYTES)
		(void)bad(r, y, "must be from 64MiB, what one script may fill, to 1TiB");
	else
		*(size_t *)into = (size_t)v;
}

void
sandbox_read(struct reading *r, struct yaml *y, void *settings)
{
	struct settings *s = settings;
	static const struct setting rows[] = {
		{ "require", offsetof(struct sandbox_settings, require_full), require_read },
		{ "strict", offsetof(struct sandbox_settings, strict), bool_read },
		{ "memory_total", offsetof(struct sandbox_settings, memory_total_bytes),
		    memory_read },
		{ "idle", offsetof(struct sandbox_settings, idle), idle_read },
		{ "running", offsetof(struct sandbox_settings, running_max), running_read },
		{ "queue", offsetof(struct sandbox_settings, queue_max), queue_read },
		{ NULL, 0, NULL },
	};

	(void)rows_read(r, y, "sandbox", rows, &s->sandbox);
}
