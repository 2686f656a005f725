/* SPDX-License-Identifier: Apache-2.0 */
/*
 * locklint - what a definition may say to a model and not to a person.
 *
 * Every text of the definition is read, names and default values too: models see them all.  Two
 * kinds of findings: hidden is what has no business in a description (direction marks, characters
 * without width, tags, rows of variation selectors, a word whose letters are of two alphabets);
 * phrases are words that give a model orders.  Phrases are found in plain words only: this tells a
 * person where to look, it is no wall, and the wall is that a person looks.
 */
#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "base/rune.h"
#include "mcp/lock.h"

#define FINDINGS_MAX   50 /* of one tool */
#define NEAR_BYTES     60
#define NAME_BYTES_MIN 6 /* a shorter name of a tool is a word like any other */
#define NAME_BYTES_MAX 512

struct lint {
	finding_f *fn;
	void *ctx;
	size_t n;
	const struct str *others; /* "server/tool" */
	struct str *words;        /* of each the tool's name, plain; "" = not looked for */
	size_t others_n;
	struct buf path;
};

static void
tell(struct lint *l, bool hidden, size_t character, const struct buf *text)
{
	if (l->n++ < FINDINGS_MAX)
		l->fn(l->ctx,
		    &(struct lock_finding){ hidden, buf_str(&l->path), character, buf_str(text) });
}

/* ---- hidden ---- */

static bool
emoji(uint32_t c)
{
	return (c >= 0x2190 && c <= 0x2bff) || (c >= 0x1f000 && c <= 0x1faff) || c == 0xfe0f ||
	       c == 0x20e3 || (c >= '0' && c <= '9') || c == '#' || c == '*' || c == 0xa9 ||
	       c == 0xae || c == 0x203c || c == 0x2049 || c == 0x2122 || c == 0x2139 ||
	       c == 0x3030 || c == 0x303d || c == 0x3297 || c == 0x3299;
}

/* Joiners are letters' own business in Arabic and Indic scripts, and make emoji of emoji; one
 * selector after a symbol says how it is drawn. */
static bool
has_business(uint32_t before, uint32_t c, uint32_t after)
{
	if (c == 0xfe0f || c == 0xfe0e)
		return emoji(before) && before != 0xfe0f;
	if (c != 0x200c && c != 0x200d)
		return false;
	return (c == 0x200d && emoji(before) && emoji(after)) ||
	       (before >= 0x600 && before < 0x1000 && after >= 0x600 && after < 0x1000);
}

static void
hidden_find(struct lint *l, struct str text)
{
	struct str rest = text;
	uint32_t before = ' ';
	size_t at = 0;

	while (rest.n > 0) {
		uint32_t c = rune_next(&rest), after = ' ';
		enum rune_kind k = rune_kind(c);
		struct buf b;

		at++;
		if (k != RUNE_PLAIN && rest.n > 0) {
			struct str peek = rest;

			after = rune_next(&peek);
		}
		if (k != RUNE_PLAIN && !has_business(before, c, after)) {
			buf_init(&b, 512);
			buf_printf(
			    &b, "U+%04X, %s, is not seen by who reads this", c, rune_word(k));
			tell(l, true, at, &b);
			buf_fini(&b);
		}
		before = c;
	}
}

/* A word of two alphabets: "pаypal" with a Cyrillic a. */
static void
mixed_find(struct lint *l, struct str text)
{
	enum rune_script script = RUNE_NO_SCRIPT;
	struct str rest = text, word = text;
	size_t at = 0, start = 1;
	bool mixed = false;

	while (true) {
		struct str here = rest;
		enum rune_script s = RUNE_NO_SCRIPT;

		if (rest.n > 0)
			s = rune_script(rune_next(&rest));
		at++;
		if (s != RUNE_NO_SCRIPT) {
			if (script == RUNE_NO_SCRIPT) {
				word = here;
				start = at;
			}
			mixed = mixed || (script != RUNE_NO_SCRIPT && s != script);
			script = s;
		} else {
			if (mixed) {
				struct buf b;

				buf_init(&b, 512);
				buf_puts(&b, "the word \"");
				buf_put(&b, str_clip(STR_SPAN(word.p, here.p), NEAR_BYTES));
				buf_puts(&b, "\" has letters of two alphabets that look alike");
				tell(l, true, start, &b);
				buf_fini(&b);
			}
			mixed = false;
			script = RUNE_NO_SCRIPT;
			if (here.n == 0)
				return;
		}
	}
}

/* ---- phrases ---- */

static const struct {
	const char *phrase, *why;
} phrases[] = {
	{ "ignore previous", "orders a model to drop its instructions" },
	{ "ignore all previous", "orders a model to drop its instructions" },
	{ "ignore the above", "orders a model to drop its instructions" },
	{ "ignore any previous", "orders a model to drop its instructions" },
	{ "ignore your instructions", "orders a model to drop its instructions" },
	{ "disregard previous", "orders a model to drop its instructions" },
	{ "disregard all", "orders a model to drop its instructions" },
	{ "disregard your", "orders a model to drop its instructions" },
	{ "forget previous", "orders a model to drop its instructions" },
	{ "forget your instructions", "orders a model to drop its instructions" },
	{ "override your", "orders a model to drop its instructions" },
	{ "system prompt", "speaks of a model's instructions" },
	{ "you are now", "gives a model another role" },
	{ "<important>", "a tag that asks a model for obedience" },
	{ "<system>", "a tag that asks a model for obedience" },
	{ "</system>", "a tag that asks a model for obedience" },
	{ "<secret>", "a tag that hides a text from the user" },
	{ "<hidden>", "a tag that hides a text from the user" },
	{ "[system]", "a tag that asks a model for obedience" },
	{ "do not tell the user", "hides something from the user" },
	{ "don't tell the user", "hides something from the user" },
	{ "do not mention", "hides something from the user" },
	{ "don't mention", "hides something from the user" },
	{ "do not inform", "hides something from the user" },
	{ "do not reveal", "hides something from the user" },
	{ "without telling", "hides something from the user" },
	{ "without informing", "hides something from the user" },
	{ "never tell", "hides something from the user" },
	{ "the user must not", "hides something from the user" },
	{ "hide this from", "hides something from the user" },
	{ "before using this tool", "orders steps beside the call" },
	{ "before calling this tool", "orders steps beside the call" },
	{ "before any other tool", "orders steps beside the call" },
	{ "always call this tool", "orders steps beside the call" },
	{ "must first read", "orders steps beside the call" },
	{ "instead of using", "turns a model away from another tool" },
	{ "do not use any other", "turns a model away from another tool" },
	{ "read the file", "asks for a file's content" },
	{ "contents of", "asks for a file's content" },
	{ "~/.ssh", "names where secrets are" },
	{ "id_rsa", "names where secrets are" },
	{ ".env", "names where secrets are" },
	{ ".aws/credentials", "names where secrets are" },
	{ "mcp.json", "names where secrets are" },
	{ "/etc/passwd", "names where secrets are" },
	{ "api key", "speaks of secrets" },
	{ "private key", "speaks of secrets" },
	{ "conversation history", "asks for what was said elsewhere" },
	{ "chat history", "asks for what was said elsewhere" },
	{ "previous messages", "asks for what was said elsewhere" },
	{ "entire conversation", "asks for what was said elsewhere" },
	{ "exfiltrate", "speaks of carrying data away" },
	{ "base64 encode", "may carry data away unseen" },
	{ "side note", "a place where attacks hide what is sent" },
	{ "sidenote", "a place where attacks hide what is sent" },
};

/* Letters small, a run of spaces and line ends one space, what is not seen left out: the text as
 * the phrases are written.  at[i] is the character of out.p[i]. */
static void
plain(struct str text, struct buf *out, struct buf *at)
{
	struct str rest = text;
	uint32_t character = 0;

	while (rest.n > 0) {
		uint32_t c = rune_next(&rest);
		size_t n = out->n;

		character++;
		if (rune_kind(c) != RUNE_PLAIN)
			continue;
		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if (c == 0x2019)
			c = '\'';
		if (c == '\n' || c == '\r' || c == '\t' || c == 0xa0)
			c = ' ';
		if (c == ' ' && n > 0 && out->p[n - 1] == ' ')
			continue;
		buf_rune(out, c);
		for (; n < out->n; n++)
			buf_put(at, (struct str){ (const char *)&character, sizeof(character) });
	}
}

static size_t
character_of(const struct buf *at, size_t i)
{
	uint32_t c;

	memcpy(&c, at->p + i * sizeof(c), sizeof(c));
	return c;
}

static bool
of_a_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
	       (c & 0x80) != 0;
}

/* The first place where it stands as words of its own; NULL: nowhere. */
static const char *
whole_word(struct str text, struct str wanted)
{
	struct str rest = text;
	const char *p;

	while (rest.n > 0 && (p = memmem(rest.p, rest.n, wanted.p, wanted.n)) != NULL) {
		const char *end = p + wanted.n;
		bool left = p == text.p || !of_a_word(p[-1]) || !of_a_word(*p);
		bool right = end == text.p + text.n || !of_a_word(*end) || !of_a_word(end[-1]);

		if (left && right)
			return p;
		rest = STR_SPAN(p + 1, text.p + text.n);
	}
	return NULL;
}

static void
phrases_find(struct lint *l, struct str text, const struct buf *at)
{
	struct buf b;

	for (size_t i = 0; i < COUNT(phrases); i++) {
		const char *p = whole_word(text, str_of(phrases[i].phrase));

		if (p == NULL)
			continue;
		buf_init(&b, 512);
		buf_printf(&b, "\"%s\" %s", phrases[i].phrase, phrases[i].why);
		tell(l, false, character_of(at, (size_t)(p - text.p)), &b);
		buf_fini(&b);
	}
}

/* "github/create_issue" of another server, by its own name or the whole of it. */
static void
others_find(struct lint *l, struct str text, const struct buf *at)
{
	for (size_t i = 0; i < l->others_n; i++) {
		const char *p = l->words[i].n == 0 ? NULL : whole_word(text, l->words[i]);
		struct buf b;

		if (p == NULL)
			continue;
		buf_init(&b, 512);
		buf_puts(&b, "names the tool ");
		buf_put(&b, str_clip(l->others[i], 2 * NEAR_BYTES));
		buf_puts(&b, " of another server: one server may not say how another is used");
		tell(l, false, character_of(at, (size_t)(p - text.p)), &b);
		buf_fini(&b);
	}
}

/* A short name is a word like any other. */
static void
others_prepare(struct lint *l, struct arena *a, struct str own)
{
	struct str rest = own, server = str_cut(&rest, '/');

	l->words = arena_zalloc(a, (l->others_n + 1) * sizeof(*l->words));
	for (size_t i = 0; i < l->others_n; i++) {
		struct str tool = l->others[i], of = str_cut(&tool, '/');
		struct buf small, at;

		if (tool.p == NULL || tool.n > 4096 || str_eq(of, server))
			continue;
		buf_init(&small, 0);
		buf_init(&at, 0);
		plain(tool, &small, &at);
		if (small.n >= NAME_BYTES_MIN && small.n <= NAME_BYTES_MAX)
			l->words[i] = arena_str(a, buf_str(&small));
		buf_fini(&small);
		buf_fini(&at);
	}
}

/* ---- the definition ---- */

static void
text_lint(struct lint *l, struct str raw)
{
	struct buf words, at;
	struct arena a;
	struct str text;

	arena_init(&a, raw.n + 4096);
	if (json_string(raw, &a, &text)) {
		buf_init(&words, 0);
		buf_init(&at, 0);
		hidden_find(l, text);
		mixed_find(l, text);
		plain(text, &words, &at);
		phrases_find(l, buf_str(&words), &at);
		others_find(l, buf_str(&words), &at);
		buf_fini(&words);
		buf_fini(&at);
	}
	arena_free(&a);
}

static void
/* NOLINTNEXTLINE(misc-no-recursion): JSON_DEPTH_MAX */
value_lint(struct lint *l, struct str raw)
{
	struct json_iter it;
	struct str key, value;
	size_t n = l->path.n;

	if (json_kind(raw) == JSON_STRING) {
		text_lint(l, raw);
		return;
	}
	if (!json_open(raw, &it))
		return;
	for (size_t i = 0; json_next(&it, &key, &value); i++) {
		if (it.object) {
			if (n > 0)
				buf_putc(&l->path, '.');
			buf_put(&l->path, (struct str){ key.p + 1, key.n - 2 });
			text_lint(l, key);
		} else {
			buf_printf(&l->path, "[%zu]", i);
		}
		value_lint(l, value);
		l->path.n = n;
	}
}

void
lock_lint(const struct lock_seen *s, const struct str *others, size_t n, finding_f *fn, void *ctx)
{
	struct lint l = { .fn = fn, .ctx = ctx, .others = others, .others_n = n };
	struct arena a;

	arena_init(&a, (n + 64) * (NAME_BYTES_MAX + 64));
	others_prepare(&l, &a, s->name);
	buf_init(&l.path, 0);
	value_lint(&l, s->definition);
	buf_fini(&l.path);
	arena_free(&a);
}
