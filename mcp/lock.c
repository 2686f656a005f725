/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock - mcp.lock is read.
 *
 * The file comes from people, merges and editors: every mistake is told with its line and nothing
 * is guessed.  Nothing unknown is skipped: a member that a later version knows may be what keeps a
 * tool away from somebody.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/json_form.h"
#include "mcp/fold.h"
#include "mcp/lock_private.h"

#define SERVER_BYTES_MAX 40
#define TEXT_BYTES_MAX   4096

struct parse {
	const char *shown;
	struct str text; /* the whole file */
	struct str root; /* from its first brace */
	const char *at;  /* where line_of() was last, and in which line: the file is long */
	int line;
	struct lock *l;
	struct err *e;
};

/* ---- what is wrong ---- */

static int
line_of(struct parse *p, const char *at)
{
	if (at < p->at) {
		p->at = p->text.p;
		p->line = 1;
	}
	for (; p->at < at; p->at++)
		p->line += *p->at == '\n';
	return p->line;
}

static bool bad(struct parse *p, const char *at, const char *fmt, ...) PRINTF(3, 4);

static bool
bad(struct parse *p, const char *at, const char *fmt, ...)
{
	char text[ERR_TEXT_BYTES];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(p->e, ERR_INVALID, "%s:%d: %s", p->shown, line_of(p, at), text);
}

static bool
syntax_check(struct parse *p)
{
	const char *why, *line;
	size_t at;

	if (p->text.n > LOCK_BYTES_MAX)
		return err_set(p->e, ERR_INVALID, "%s: is larger than %zu MiB", p->shown,
		    LOCK_BYTES_MAX >> 20);
	if (json_check_at(p->text, &at, &why))
		return true;
	line = p->text.p + at;
	while (line > p->text.p && line[-1] != '\n')
		line--;
	for (size_t i = 0; i < 3; i++)
		if (str_starts(STR_SPAN(line, p->text.p + p->text.n),
			(const struct str[]){ STR("<<<<<<<"), STR("======="), STR(">>>>>>>") }[i]))
			return bad(p, line, "a merge conflict is not resolved");
	return bad(p, p->text.p + at, "not valid JSON: %s", why);
}

static bool
member_unknown(struct parse *p, struct str key, const char *what, const struct str *names, size_t n)
{
	struct str inner = { key.p + 1, key.n - 2 }, near = str_nearest(inner, names, n);

	return bad(p, key.p, "unknown member " STR_FMT " in %s%s" STR_FMT "%s",
	    (int)(key.n > 100 ? 100 : key.n), key.p, what, near.n > 0 ? " (did you mean \"" : "",
	    STR_ARG(near.n > 0 ? near : STR("")), near.n > 0 ? "\"?)" : "");
}

/* ---- values ---- */

static bool
text_read(struct parse *p, struct str raw, struct str *out)
{
	*out = STR("");
	if (json_kind(raw) != JSON_STRING)
		return bad(p, raw.p, "a text in quotes was expected");
	if (raw.n > TEXT_BYTES_MAX || !json_string(raw, &p->l->arena, out))
		return bad(p, raw.p, "longer than %d bytes", TEXT_BYTES_MAX);
	*out = arena_str(&p->l->arena, *out);
	return true;
}

static bool
word_fits(struct str s, size_t max, const char *more)
{
	bool ok = s.n > 0 && s.n <= max;

	for (size_t i = 0; ok && i < s.n; i++)
		ok = (s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
		     (s.p[i] >= '0' && s.p[i] <= '9') || strchr(more, s.p[i]) != NULL;
	return ok;
}

static bool
label_read(struct parse *p, struct str raw, struct str word)
{
	static const struct str known[] = { STR("private"), STR("untrusted"), STR("egress"),
		STR("destructive") };
	struct str near = str_nearest(word, known, COUNT(known));

	for (size_t i = 0; i < COUNT(known); i++)
		if (str_eq(word, known[i]))
			return true;
	if (near.n > 0)
		return bad(p, raw.p, "unknown label " STR_FMT " (did you mean \"" STR_FMT "\"?)",
		    STR_ARG(raw), STR_ARG(near));
	return bad(p, raw.p,
	    "unknown label " STR_FMT
	    " (private, untrusted, egress, destructive; other words are tags)",
	    STR_ARG(raw));
}

static bool
words_read(struct parse *p, struct str raw, bool labels, struct str **out, size_t *n)
{
	struct json_iter it;
	struct str key, one;

	if (json_kind(raw) != JSON_ARRAY || !json_open(raw, &it))
		return bad(p, raw.p, "a list of words was expected: [\"docs\"]");
	*out = arena_zalloc(&p->l->arena, LOCK_WORDS_MAX * sizeof(**out));
	while (json_next(&it, &key, &one)) {
		struct str word = STR("");

		if (*n == LOCK_WORDS_MAX)
			return bad(p, one.p, "more than %d words", LOCK_WORDS_MAX);
		if (!text_read(p, one, &word))
			return false;
		if (!word_fits(word, 64, "._-"))
			return bad(p, one.p, "a word is 1 to 64 letters, digits and . _ -");
		if (labels && !label_read(p, one, word))
			return false;
		for (size_t i = 0; i < *n; i++)
			if (str_eq((*out)[i], word))
				return bad(p, one.p, STR_FMT " is there twice", STR_ARG(one));
		(*out)[(*n)++] = word;
	}
	return true;
}

static bool
alias_read(struct parse *p, struct str raw, struct locked *k)
{
	if (!text_read(p, raw, &k->alias))
		return false;
	if (!word_fits(k->alias, ALIAS_MAX, "_-"))
		return bad(p, raw.p,
		    "an alias is 1 to %d letters, digits, _ and -, as clients take names",
		    ALIAS_MAX);
	for (size_t i = 0; i + 1 < p->l->n; i++)
		if (str_eq(p->l->at[i].alias, k->alias))
			return bad(p, raw.p, "the alias " STR_FMT " is already that of " STR_FMT,
			    STR_ARG(raw), STR_ARG(p->l->at[i].name));
	return true;
}

void
locked_hints(struct locked *k)
{
	struct str annotations, v;
	const struct {
		struct str name;
		bool *to;
	} hints[] = { { STR("readOnlyHint"), &k->readonly },
		{ STR("destructiveHint"), &k->destructive },
		{ STR("idempotentHint"), &k->idempotent },
		{ STR("openWorldHint"), &k->open_world } };
	bool on;

	k->readonly = k->idempotent = false;
	k->destructive = k->open_world = true;
	if (json_get(k->definition, STR("annotations"), &annotations) &&
	    json_kind(annotations) == JSON_OBJECT)
		for (size_t i = 0; i < COUNT(hints); i++)
			if (json_get(annotations, hints[i].name, &v) && json_bool(v, &on))
				*hints[i].to = on;
	if (k->readonly)
		k->destructive = false;
}

static bool
definition_read(struct parse *p, struct str raw, struct locked *k)
{
	struct buf b;
	struct err e;
	struct str name, schema;

	if (json_kind(raw) != JSON_OBJECT || !json_check(raw, true, &e))
		return bad(p, raw.p, "definition: an object was expected, with no key twice");
	if (!json_get(raw, STR("name"), &name) || json_kind(name) != JSON_STRING ||
	    !json_string_is(name, k->tool))
		return bad(
		    p, raw.p, "definition: its name is not \"" STR_FMT "\"", STR_ARG(k->tool));
	if (!json_get(raw, STR("inputSchema"), &schema) || json_kind(schema) != JSON_OBJECT)
		return bad(p, raw.p, "definition: its inputSchema is missing");
	buf_init(&b, raw.n + 1);
	json_compact(&b, raw);
	k->definition = arena_str(&p->l->arena, buf_str(&b));
	buf_fini(&b);
	locked_hints(k);
	return true;
}

/* ---- one tool ---- */

enum member {
	M_SHA256,
	M_SOURCE,
	M_FIRST_SEEN,
	M_APPROVED,
	M_APPROVED_BY,
	M_ALIAS,
	M_TAGS,
	M_LABELS,
	M_DEFINITION,
	MEMBERS
};
static const struct str members[MEMBERS] = { STR("sha256"), STR("source"), STR("first_seen"),
	STR("approved"), STR("approved_by"), STR("alias"), STR("tags"), STR("labels"),
	STR("definition") };

static bool
member_read(struct parse *p, enum member m, struct str raw, struct locked *k)
{
	switch (m) {
	case M_SHA256:
		return text_read(p, raw, &k->sha256);
	case M_SOURCE:
		return text_read(p, raw, &k->source);
	case M_FIRST_SEEN:
		return text_read(p, raw, &k->first_seen);
	case M_APPROVED:
		return text_read(p, raw, &k->approved);
	case M_APPROVED_BY:
		return text_read(p, raw, &k->approved_by);
	case M_ALIAS:
		return alias_read(p, raw, k);
	case M_TAGS:
		return words_read(p, raw, false, &k->tags, &k->tags_n);
	case M_LABELS:
		return words_read(p, raw, true, &k->labels, &k->labels_n);
	case M_DEFINITION:
		return definition_read(p, raw, k);
	case MEMBERS:
		break;
	}
	UNREACHABLE();
}

static bool
members_read(struct parse *p, struct str raw, struct locked *k)
{
	bool there[MEMBERS] = { false };
	struct json_iter it;
	struct str key, value;

	if (json_kind(raw) != JSON_OBJECT || !json_open(raw, &it))
		return bad(p, raw.p, "a tool is an object");
	while (json_next(&it, &key, &value)) {
		size_t m = 0;

		while (m < MEMBERS && !json_key_is(key, members[m]))
			m++;
		if (m == MEMBERS)
			return member_unknown(p, key, "a tool", members, MEMBERS);
		if (there[m])
			return bad(p, key.p, STR_FMT " is there twice", STR_ARG(key));
		there[m] = true;
		if (!member_read(p, (enum member)m, value, k))
			return false;
	}
	if (!there[M_SHA256] || !there[M_SOURCE] || !there[M_DEFINITION])
		return bad(p, raw.p, STR_FMT ": %s is missing", STR_ARG(k->name),
		    !there[M_SHA256]   ? "sha256"
		    : !there[M_SOURCE] ? "source"
				       : "definition");
	return true;
}

static bool
name_read(struct parse *p, struct str key, struct locked *k)
{
	struct str rest;

	if (!text_read(p, key, &k->name))
		return false;
	rest = k->name;
	k->server = str_cut(&rest, '/');
	k->tool = rest;
	if (rest.p == NULL || !word_fits(k->server, SERVER_BYTES_MAX, "-") ||
	    !fold_usable(k->tool, FOLD_NAME_MAX))
		return bad(p, key.p, STR_FMT " is no tool (\"server/tool\")", STR_ARG(key));
	return true;
}

static bool
tool_read(struct parse *p, struct str key, struct str raw)
{
	struct locked *k = lock_room(p->l);
	struct str digest;

	if (k == NULL)
		return bad(p, key.p, "more than %d tools", LOCK_TOOLS_MAX);
	k->line = line_of(p, key.p);
	if (!name_read(p, key, k) || !members_read(p, raw, k))
		return false;
	digest = lock_digest(&p->l->arena, k->definition, k->source);
	return str_eq(digest, k->sha256) ||
	       bad(p, key.p,
		   STR_FMT " is not what was approved: its sha256 is " STR_FMT
			   " (take the entry out and approve the tool again)",
		   STR_ARG(k->name), STR_ARG(digest));
}

static bool
tools_read(struct parse *p, struct str raw)
{
	struct json_iter it;
	struct str key, value;

	if (json_kind(raw) != JSON_OBJECT || !json_open(raw, &it))
		return bad(p, raw.p, "tools is an object of \"server/tool\": { … }");
	while (json_next(&it, &key, &value))
		if (!tool_read(p, key, value))
			return false;
	lock_sort(p->l);
	for (size_t i = 1; i < p->l->n; i++)
		if (str_eq(p->l->at[i - 1].name, p->l->at[i].name))
			return err_set(p->e, ERR_INVALID, "%s:%d: " STR_FMT " is there twice",
			    p->shown,
			    p->l->at[i].line > p->l->at[i - 1].line ? p->l->at[i].line
								    : p->l->at[i - 1].line,
			    STR_ARG(p->l->at[i].name));
	return true;
}

static bool
file_parse(struct parse *p)
{
	static const struct str top[] = { STR("version"), STR("tools") };
	struct str key, value, tools = STR_NONE;
	struct json_iter it;
	int64_t version = 0;

	if (!syntax_check(p))
		return false;
	if (!json_open(p->root, &it) || !it.object)
		return bad(
		    p, p->root.p, "an object was expected: { \"version\": 1, \"tools\": {} }");
	while (json_next(&it, &key, &value)) {
		if (json_key_is(key, top[0])) {
			if (!json_i64(value, &version) || version != 1)
				return bad(p, value.p, "version: this gateway reads 1");
		} else if (!json_key_is(key, top[1])) {
			return member_unknown(p, key, "the file", top, COUNT(top));
		} else if (tools.p != NULL) {
			return bad(p, key.p, "tools is there twice");
		} else {
			tools = value;
		}
	}
	if (version == 0 || tools.p == NULL)
		return bad(p, p->root.p, "%s is missing", version == 0 ? "version" : "tools");
	return tools_read(p, tools);
}

/* ---- the lock ---- */

struct locked *
lock_room(struct lock *l)
{
	if (l->n == LOCK_TOOLS_MAX)
		return NULL;
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 16 : 2 * l->cap;
		l->at = mem_realloc(l->at, l->cap * sizeof(*l->at));
	}
	l->at[l->n] = (struct locked){ .source = STR(""),
		.first_seen = STR(""),
		.approved = STR(""),
		.approved_by = STR(""),
		.alias = STR("") };
	return &l->at[l->n++];
}

static int
by_name(const void *a, const void *b)
{
	const struct locked *x = a, *y = b;

	return str_cmp(x->name, y->name);
}

void
lock_sort(struct lock *l)
{
	if (l->n > 0)
		qsort(l->at, l->n, sizeof(*l->at), by_name);
}

struct lock *
lock_empty(void)
{
	struct lock *l = mem_zalloc(sizeof(*l));

	arena_init(&l->arena, LOCK_ARENA_BYTES);
	return l;
}

void
lock_free(struct lock **lp)
{
	if (*lp == NULL)
		return;
	free((*lp)->facts);
	free((*lp)->at);
	arena_free(&(*lp)->arena);
	MEM_FREE(lp);
}

static void
facts_make(struct lock *l)
{
	l->facts = mem_zalloc((l->n + 1) * sizeof(*l->facts));
	for (size_t i = 0; i < l->n; i++) {
		const struct locked *k = &l->at[i];

		l->facts[i] = (struct tool_fact){ .name = k->name,
			.readonly = k->readonly,
			.destructive = k->destructive,
			.idempotent = k->idempotent,
			.open_world = k->open_world,
			.tags = k->tags,
			.tags_n = k->tags_n,
			.labels = k->labels,
			.labels_n = k->labels_n };
		(void)json_get(k->definition, STR("inputSchema"), &l->facts[i].input_schema);
	}
}

void
lock_facts(const struct lock *l, struct tool_facts *out)
{
	*out = (struct tool_facts){ .known = l != NULL };
	if (l == NULL)
		return;
	ASSERT(l->facts != NULL); /* it was read, not made */
	out->at = l->facts;
	out->n = l->n;
}

struct lock *
lock_parse(const char *shown, struct str text, struct err *e)
{
	struct parse p = {
		.shown = shown, .text = text, .at = text.p, .line = 1, .l = lock_empty(), .e = e
	};
	struct str start = text;

	/* The iterators look at the first byte: it is the value's. */
	while (start.n > 0 && strchr(" \t\r\n", start.p[0]) != NULL)
		start = (struct str){ start.p + 1, start.n - 1 };
	if (start.n == 0)
		(void)err_set(e, ERR_INVALID, "%s: is empty (tollgate lock init)", shown);
	p.root = start;
	if (start.n == 0 || !file_parse(&p))
		lock_free(&p.l);
	else
		facts_make(p.l);
	return p.l;
}

struct lock *
lock_load(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct lock *l = NULL;
	struct buf text;
	ssize_t n = -1;

	if (fd < 0 && errno == ENOENT) {
		(void)err_set(e, ERR_NOT_FOUND, "%s: is not there (tollgate lock init)", path);
		return NULL;
	}
	buf_init(&text, LOCK_BYTES_MAX + 65536);
	while (fd >= 0 && text.n <= LOCK_BYTES_MAX) {
		char *room = buf_room(&text, 65536);

		n = room == NULL ? 0 : read(fd, room, 65536);
		if (n <= 0)
			break;
		text.n += (size_t)n;
	}
	if (n < 0)
		(void)err_set(e, ERR_INVALID, "%s: cannot be read: %m", path);
	else
		l = lock_parse(path, buf_str(&text), e);
	if (fd >= 0)
		(void)close(fd);
	buf_fini(&text);
	return l;
}

size_t
lock_count(const struct lock *l)
{
	return l == NULL ? 0 : l->n;
}

const struct locked *
lock_at(const struct lock *l, size_t i)
{
	ASSERT(i < l->n);
	return &l->at[i];
}

const struct locked *
lock_find(const struct lock *l, struct str name)
{
	const struct locked wanted = { .name = name };

	if (lock_count(l) == 0)
		return NULL;
	return bsearch(&wanted, l->at, l->n, sizeof(wanted), by_name);
}
