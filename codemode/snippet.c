/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snippet - see snippet.h.
 *
 * The tools are made once for each revision of the policies.  Which texts a script needs is told by
 * its words, as for S and last: a name in a comment costs bytes only, and a name that is made of
 * pieces is not found (the call then says so).  Every text is looked through once, whatever calls
 * what, so time is linear in what is sent.
 */
#include "codemode/snippet.h"

#include <stdlib.h>

#include "base/log.h"
#include "codemode/signature.h"
#include "codemode/state.h"

#define TOOLS_BYTES ((size_t)64 << 20)
#define ONE_BYTES   ((size_t)128 << 10) /* the most that one takes */

_Static_assert(SNIPPET_STRING == FRAME_IS_STRING && SNIPPET_INTEGER == FRAME_IS_INTEGER &&
		   SNIPPET_NUMBER == FRAME_IS_NUMBER && SNIPPET_BOOLEAN == FRAME_IS_BOOLEAN &&
		   SNIPPET_LIST == FRAME_IS_LIST && SNIPPET_TABLE == FRAME_IS_TABLE &&
		   SNIPPET_ANY == FRAME_IS_ANY,
    "a snippet's kinds are those of the wire");
_Static_assert(SNIPPETS_MAX <= FRAME_SNIPPETS_MAX, "all that a key sees can be told");

/* ---- as tools ---- */

struct snippet_tools { /* of one revision of the policies */
	struct arena arena;
	struct str revision;
	struct map by_file; /* struct tool */
};

struct tool *
snippet_tool_make(struct arena *a, const struct snippet *s)
{
	struct tool *t = arena_new(a, struct tool);
	struct buf b;

	*t = (struct tool){ .server = STR(SNIPPET_FOLDER),
		.name = arena_str(a, s->name),
		.script_server = STR(SNIPPET_FOLDER),
		.policy_name = arena_printf(a, SNIPPET_FOLDER "/" STR_FMT, STR_ARG(s->name)),
		.listed_name = STR(""),
		.blocked = STR(""),
		.alias = STR(""),
		.description = arena_str(a, s->description),
		.input_schema = arena_str(a, s->input_schema),
		.output_schema = arena_str(a, s->output_schema) };
	t->script_name = t->name;
	t->wrapped = t->policy_name;
	buf_init(&b, ONE_BYTES);
	buf_puts(&b, "{\"name\":");
	buf_json_str(&b, t->policy_name);
	buf_puts(&b, ",\"description\":");
	buf_json_str(&b, t->description);
	buf_puts(&b, ",\"inputSchema\":");
	buf_put(&b, t->input_schema);
	if (t->output_schema.n > 0) {
		buf_puts(&b, ",\"outputSchema\":");
		buf_put(&b, t->output_schema);
	}
	buf_putc(&b, '}');
	t->definition = arena_str(a, buf_str(&b));
	buf_fini(&b);
	return t;
}

static void
tool_add(void *ctx, const struct snippet *s)
{
	struct snippet_tools *all = ctx;

	if (arena_left(&all->arena) > 2 * ONE_BYTES)
		map_set(&all->by_file, arena_str(&all->arena, s->file),
		    snippet_tool_make(&all->arena, s));
}

void
snippets_free(struct codemode *cm)
{
	struct snippet_tools *all = cm->snippets;

	if (all == NULL)
		return;
	map_fini(&all->by_file);
	arena_free(&all->arena);
	MEM_FREE(&cm->snippets);
}

static struct snippet_tools *
tools_now(struct codemode *cm)
{
	struct str revision = core_revision(cm->core);

	if (cm->snippets != NULL && str_eq(cm->snippets->revision, revision))
		return cm->snippets;
	snippets_free(cm);
	cm->snippets = mem_zalloc(sizeof(*cm->snippets));
	arena_init(&cm->snippets->arena, TOOLS_BYTES);
	map_init(&cm->snippets->by_file);
	cm->snippets->revision = arena_str(&cm->snippets->arena, revision);
	core_all_snippets(cm->core, tool_add, cm->snippets);
	return cm->snippets;
}

const struct tool *
snippet_tool(struct codemode *cm, const struct snippet *s)
{
	return map_get(&tools_now(cm)->by_file, s->file);
}

struct listing {
	struct snippet_tools *all;
	const struct view_settings *of;
	tool_f *fn;
	void *ctx;
};

static void
list_one(void *ctx, const struct snippet *s)
{
	struct listing *l = ctx;
	const struct tool *t = map_get(&l->all->by_file, s->file);

	if (t != NULL && view_includes(l->of, ASK_TOOL, t->policy_name))
		l->fn(l->ctx, t);
}

void
snippets_list(
    struct codemode *cm, struct key *k, const struct view_settings *of, tool_f *fn, void *ctx)
{
	core_snippets(cm->core, k, list_one, &(struct listing){ tools_now(cm), of, fn, ctx });
}

/* ---- for a run ---- */

struct seen { /* one that the key sees */
	const struct snippet *s;
	const struct tool *t;
	struct seen *alike; /* the next that is spelled the same but for - _ and capitals */
	bool sent;
};
struct sight {
	struct run *r;
	struct seen at[SNIPPETS_MAX];
	size_t n;
	struct map by_spelling;
	struct seen *queue[SNIPPETS_MAX]; /* sent, in order of being found */
	size_t sent;
};

/* As scripts look names up: letters and digits, small ones. */
static struct str
spelling(struct str name, char out[SNIPPET_NAME_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (c == '_')
			continue;
		if (n == SNIPPET_NAME_MAX)
			return STR("");
		out[n++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	return (struct str){ out, n };
}

static void
see(void *ctx, const struct snippet *s)
{
	struct sight *v = ctx;
	char room[SNIPPET_NAME_MAX];
	const struct tool *t = map_get(&v->r->cm->snippets->by_file, s->file);
	struct str key = arena_str(&v->r->arena, spelling(s->name, room));
	struct seen *one = &v->at[v->n];

	if (t == NULL || !view_includes(v->r->c.view, ASK_TOOL, t->policy_name))
		return;
	v->n++;
	*one = (struct seen){ .s = s, .t = t, .alike = map_get(&v->by_spelling, key) };
	map_set(&v->by_spelling, key, one);
}

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static void
words_read(struct sight *v, struct str text)
{
	char room[SNIPPET_NAME_MAX];

	for (size_t i = 0; i < text.n;) {
		struct str word = { text.p + i, 0 };

		while (i + word.n < text.n && is_word(text.p[i + word.n]))
			word.n++;
		i += word.n + 1;
		if (word.n == 0)
			continue;
		word = spelling(word, room);
		for (struct seen *one = map_get(&v->by_spelling, word); one != NULL;
		     one = one->alike)
			if (!one->sent) {
				one->sent = true;
				v->queue[v->sent++] = one;
			}
	}
}

static void
param_fill(struct sandbox_param *to, const struct snippet_param *p)
{
	*to = (struct sandbox_param){ .name = p->name,
		.type = p->type,
		.kinds = (uint8_t)p->kinds,
		.required = !p->optional,
		.choices = p->choices,
		.choices_n = p->choices_n };
}

static void
sent_fill(struct sight *v, struct sandbox_snippet *to, const struct seen *one)
{
	const struct snippet *s = one->s;
	struct arena *a = &v->r->arena;
	struct sandbox_param *params = arena_zalloc(a, (s->params_n + 1) * sizeof(*params));
	struct buf b;

	buf_init(&b, SIGNATURE_BYTES_MAX);
	signature_put(&b, one->t, false);
	to->source = s->source;
	to->signature = arena_str(a, buf_str(&b));
	to->params = params;
	to->params_n = s->params_n;
	buf_fini(&b);
	for (size_t i = 0; i < s->params_n; i++)
		param_fill(&params[i], &s->params[i]);
}

/* What is sent, for the audit and the journal; in order of name. */
static struct str
versions_text(struct sight *v)
{
	struct buf b;
	struct str text;

	buf_init(&b, 0);
	for (size_t i = 0; i < v->n; i++)
		if (v->at[i].sent)
			buf_printf(&b, "%s" STR_FMT "@" STR_FMT, b.n > 0 ? " " : "",
			    STR_ARG(v->at[i].s->name), STR_ARG(v->at[i].s->version));
	text = b.n == 0 ? STR("") : arena_str(&v->r->arena, buf_str(&b));
	buf_fini(&b);
	return text;
}

static void
fill(struct sight *v, struct sandbox_script *s)
{
	struct run *r = v->r;
	struct sandbox_snippet *told = arena_zalloc(&r->arena, (v->n + 1) * sizeof(*told));
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	const struct tool **tools = arena_alloc(&r->arena, (v->n + 1) * sizeof(*tools));

	for (size_t i = 0; i < v->n; i++) {
		told[i].name = v->at[i].s->name;
		if (v->at[i].sent)
			sent_fill(v, &told[i], &v->at[i]);
		tools[i] = v->at[i].t;
	}
	r->snippets = tools;
	r->snippets_n = v->n;
	s->snippets = told;
	s->snippets_n = v->n;
	r->versions = versions_text(v);
}

void
snippets_attach(struct run *r, struct sandbox_script *s)
{
	struct sight *v;

	r->versions = STR("");
	if (!source_names(r->code, STR(SNIPPET_FOLDER)))
		return;
	(void)tools_now(r->cm);
	v = mem_zalloc(sizeof(*v));
	v->r = r;
	map_init(&v->by_spelling);
	core_snippets(r->cm->core, r->c.key, see, v);
	words_read(v, r->code);
	for (size_t i = 0; i < v->sent; i++)
		words_read(v, v->queue[i]->s->source);
	fill(v, s);
	map_fini(&v->by_spelling);
	free(v);
}

/* ---- afterwards ---- */

/* "12ab…" of "name@12ab…" in a list; STR_NONE: it is not there. */
static struct str
version_in(struct str list, struct str name)
{
	while (list.n > 0) {
		struct str one = str_cut(&list, ' ');

		if (str_eq(str_cut(&one, '@'), name))
			return one;
	}
	return STR_NONE;
}

struct wanted {
	struct str name, version, text;
};

static void
text_find(void *ctx, const struct snippet *s)
{
	struct wanted *w = ctx;

	if (str_eq(s->name, w->name) && str_eq(s->version, w->version))
		w->text = s->source;
}

struct str
snippet_text(const void *run, struct str name)
{
	const struct run *r = run;
	struct wanted w = { name, version_in(r->versions, name), STR_NONE };

	if (w.version.p != NULL)
		core_snippets(r->cm->core, r->c.key, text_find, &w);
	return w.text;
}

void
snippets_put_changed(struct str was, struct str now, struct buf *out)
{
	while (was.n > 0) {
		struct str before = str_cut(&was, ' '), name, after;

		name = str_cut(&before, '@');
		after = version_in(now, name);
		if (after.p != NULL && str_eq(before, after))
			continue;
		buf_printf(out, "%s" STR_FMT "@" STR_FMT, out->n > 0 ? ", " : "", STR_ARG(name),
		    STR_ARG(before));
		if (after.p != NULL)
			buf_printf(out, " is now @" STR_FMT, STR_ARG(after));
		else
			buf_puts(out, " is not there any more");
	}
}
