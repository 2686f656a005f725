/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact - how fast results are searched: megabytes a second, and instructions a byte where the
 * kernel counts them.  `make bench-redact`.
 */
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "policies/redact.h"

#define BYTES ((size_t)8 << 20)

static int counter = -1;
static struct redact_tables tables;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
counter_open(void)
{
	struct perf_event_attr a = { .type = PERF_TYPE_HARDWARE,
		.size = sizeof(a),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.disabled = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1 };

	counter = (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, 0);
}

static void
on_pass(void *ctx, struct str s)
{
	*(size_t *)ctx += s.n;
}

static void
on_put(void *ctx, struct str s, size_t instead)
{
	(void)instead;
	*(size_t *)ctx += s.n;
}

static int
finds(const struct redact_counts *c)
{
	int n = 0;

	for (size_t a = 0; a < REDACT_ACTIONS; a++)
		for (size_t i = 0; i < REDACT_CLASSES; i++)
			n += c->n[a][i];
	return n;
}

static void
measure(const char *what, struct str doc, bool json, bool secrets_only)
{
	uint8_t action[REDACT_CLASSES] = { REDACT_MASK, REDACT_MASK, REDACT_MASK, REDACT_MASK,
		REDACT_MASK };
	struct redact_counts counts;
	uint64_t instructions = 0;
	double best = 1e9;
	size_t out = 0;

	if (secrets_only)
		memset(action + 1, REDACT_NOT, sizeof(action) - 1);
	for (int i = 0; i < 5; i++) {
		struct redact_out o = { on_pass, on_put, &out };
		struct redactor r;
		double t = now();

		memset(&counts, 0, sizeof(counts));
		if (counter >= 0) {
			ioctl(counter, PERF_EVENT_IOC_RESET, 0);
			ioctl(counter, PERF_EVENT_IOC_ENABLE, 0);
		}
		if (!redact_clean(&tables, action, doc)) {
			redactor_init(&r, &tables, action, json, &o, &counts);
			redactor_feed(&r, doc);
			redactor_end(&r);
			redactor_fini(&r);
		}
		if (counter >= 0) {
			ioctl(counter, PERF_EVENT_IOC_DISABLE, 0);
			if (read(counter, &instructions, sizeof(instructions)) < 0)
				instructions = 0;
		}
		t = now() - t;
		best = t < best ? t : best;
	}
	printf(
	    "%-44s %6.0f MB/s of CPU  %7d found", what, (double)doc.n / best / 1e6, finds(&counts));
	if (instructions > 0)
		printf("  %6.2f instructions a byte", (double)instructions / (double)doc.n);
	printf("\n");
}

static void
repeat(struct buf *b, const char *piece)
{
	buf_reset(b);
	while (b->n < BYTES)
		buf_puts(b, piece);
}

static void
quoted(struct buf *b, const char *piece)
{
	struct buf one;

	repeat(b, piece);
	buf_init(&one, 3 * BYTES);
	buf_json_str(&one, buf_str(b));
	buf_reset(b);
	buf_put(b, buf_str(&one));
	buf_fini(&one);
}

#define PROSE                                                                                      \
	"The quick brown fox jumps over the lazy dog, and then it sits down to read what the "     \
	"policies of this gateway say about foxes. Nothing, as it turns out. "
#define CODE                                                                                       \
	"static bool\nargs_fit(const struct call_ask *a, struct err *e)\n{\n\tif (a->args.n == "   \
	"0)\n\t\treturn true;\n\tif (a->args.n > 1024)\n\t\treturn err_set(e, \"too "              \
	"large\");\n}\n"
#define ROW                                                                                        \
	"{\"id\":20183,\"name\":\"Widget\",\"price\":{\"amount\":1999,\"currency\":\"EUR\"},"      \
	"\"created_at\":\"2026-03-14T15:09:26Z\",\"tags\":[\"new\",\"blue\"],\"stock\":42},"

int
main(void)
{
	struct buf b;

	counter_open();
	redact_tables_init(&tables);
	buf_init(&b, 4 * BYTES);
	quoted(&b, PROSE);
	measure("prose, one string, all classes", buf_str(&b), true, false);
	measure("prose, one string, secrets", buf_str(&b), true, true);
	quoted(&b, CODE);
	measure("source code, escaped, all classes", buf_str(&b), true, false);
	measure("source code, escaped, secrets", buf_str(&b), true, true);
	repeat(&b, ROW);
	measure("rows of short members, all classes", buf_str(&b), true, false);
	quoted(&b, ROW);
	measure("the same as JSON in a string, all classes", buf_str(&b), true, false);
	quoted(&b, "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, \xd0\xbc\xd0\xb8\xd1\x80. ");
	measure("Cyrillic, all classes", buf_str(&b), true, false);
	repeat(&b, "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk");
	measure("base64, all classes", buf_str(&b), false, false);
	quoted(&b, "ana@example.com, card 4111 1111 1111 1111; ");
	measure("nothing but finds", buf_str(&b), true, false);
	repeat(&b, "sk-");
	measure("hostile: sk-sk-sk-", buf_str(&b), false, false);
	repeat(&b, "eyJ.");
	measure("hostile: eyJ.eyJ.", buf_str(&b), false, false);
	repeat(&b, "a@a.a");
	measure("hostile: a@a.aa@a.a", buf_str(&b), false, false);
	repeat(&b, "-----BEGIN PRIVATE KEY-----");
	measure("hostile: nothing but beginnings of keys", buf_str(&b), false, false);
	repeat(&b, "234 234-");
	measure("hostile: groups of digits", buf_str(&b), false, false);
	repeat(&b, "\\u005c");
	measure("hostile: nothing but escapes", buf_str(&b), false, false);
	buf_fini(&b);
	return 0;
}
