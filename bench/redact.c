/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact - what a request to a model costs, and how fast results are searched: megabytes a second,
 * and instructions a byte where the kernel counts them.  `make bench-redact`.
 */
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "gateway/texts.h"
#include "policies/bundle.h"
#include "policies/core.h"
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

/* ---- a request to a model ---- */

#define REQUEST_BYTES ((size_t)100 << 10)
#define TURNS         2000

/* A conversation: what was asked, what tools were told and told, in the mixture that agents have.
 */
static void
request(struct buf *b)
{
	static const char *const pieces[] = { CODE, PROSE, ROW };
	struct buf text;

	buf_init(&text, 0);
	buf_reset(b);
	buf_puts(
	    b, "{\"model\":\"m\",\"max_tokens\":32000,\"system\":\"" PROSE "\",\"messages\":[");
	for (size_t i = 0; b->n < REQUEST_BYTES; i++) {
		buf_reset(&text);
		while (text.n < 1500)
			buf_puts(&text, pieces[i % COUNT(pieces)]);
		buf_puts(b, "{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":"
			    "\"toolu_01\","
			    "\"name\":\"read\",\"input\":{\"path\":\"src/a.c\",\"from\":120}}]},"
			    "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_"
			    "id\":\"toolu_01\","
			    "\"content\":");
		buf_json_str(b, buf_str(&text));
		buf_puts(b, "}]},");
	}
	b->n--;
	buf_puts(b, "]}");
	buf_fini(&text);
}

static void
on_text(void *ctx, const struct text *t)
{
	redacting_value(ctx, t->value);
}

/* As masking.c does it. */
static void
masked(const char *what, struct core *c, struct str doc)
{
	static const uint8_t action[REDACT_CLASSES] = { REDACT_MASK, REDACT_MASK, REDACT_MASK,
		REDACT_MASK, REDACT_MASK };
	struct redact_counts counts = { .blocked = NULL };
	struct redacting *r;
	struct buf out;
	struct err e;
	double t = now();
	size_t n = 0;

	buf_init(&out, 0);
	for (int i = 0; i < TURNS; i++) {
		if (!json_check(doc, false, &e))
			abort();
		r = redacting_begin(c, action, doc, &out, &counts);
		texts_each(&texts_anthropic, doc, on_text, r);
		n += redacting_end(&r).n;
	}
	t = (now() - t) / TURNS;
	printf("%-44s %6.0f us a request  %7d found, %zu bytes become %zu\n", what, t * 1e6,
	    finds(&counts) / TURNS, doc.n, n / TURNS);
	buf_fini(&out);
}

/* What a request costs where no policy redacts one. */
static void
unmasked(struct core *c)
{
	const struct via via = { STR(""), STR("") };
	struct redaction wants;
	double t = now();
	size_t n = 0;

	for (int i = 0; i < 10000000; i++) {
		n += rules_redact_model(c, NULL, &via, STR("m"), STR("m"), &wants);
		__asm__ volatile("" : : "r"(c) : "memory");
	}
	t = (now() - t) / 10000000;
	printf(
	    "%-44s %6.1f ns a request  %7zu found\n", "a request, no rule for a model", t * 1e9, n);
}

static void
requests(void)
{
	static struct bundle bundle;
	static struct core core = { .magic = CORE_MAGIC, .bundle = &bundle };
	struct buf b;

	buf_init(&b, 0);
	request(&b);
	masked("a request of 100 KB, all classes", &core, buf_str(&b));
	b.n -= 2;
	buf_puts(&b, ",{\"role\":\"user\",\"content\":\"to ana@example.com\"}]}");
	masked("the same with one find, and so a copy", &core, buf_str(&b));
	buf_reset(&b);
	buf_puts(&b, "{\"messages\":[\"x\"");
	while (b.n < REQUEST_BYTES)
		buf_puts(&b, ",\"a@b.cc\"");
	buf_puts(&b, "]}");
	masked("hostile: 100 KB of nothing but finds", &core, buf_str(&b));
	unmasked(&core);
	buf_fini(&b);
	core_redact_free(&core);
}

int
main(void)
{
	struct buf b;

	requests();
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
