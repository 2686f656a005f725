/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools - what the demo server offers: six tools over notes and orders.
 *
 * Each answers with structuredContent that matches its output schema, and with the same as text
 * for clients that know no structure.  Problems are isError results that say what to do next.
 *
 * With --extra, five more tools exist for tests of whoever stands in front: echo gives the raw
 * bytes of its arguments back, so that a changed byte shows.
 */
#include "mcp/demo/demo.h"

#include <string.h>
#include <time.h>

#define PAGE_MAX   50
#define PAGE_USUAL 20
#define HUGE_BYTES ((size_t)12 << 20)

#define NOTE_SCHEMA                                                                                \
	"{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"title\":{\"type\":"   \
	"\"string\"},\"text\":{\"type\":\"string\"},\"tag\":{\"type\":\"string\"}},"               \
	"\"required\":[\"id\",\"title\",\"text\",\"tag\"]}"
#define ORDER_SCHEMA                                                                               \
	"{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"customer\":{"         \
	"\"type\":\"string\"},\"item\":{\"type\":\"string\"},\"quantity\":{\"type\":\"integer\"}," \
	"\"total_cents\":{\"type\":\"integer\"},\"status\":{\"type\":\"string\"},"                 \
	"\"ordered_on\":{\"type\":\"string\"}},\"required\":[\"id\",\"customer\",\"item\","        \
	"\"quantity\",\"total_cents\",\"status\",\"ordered_on\"]}"

typedef bool call_f(struct demo *d, struct str args, struct arena *a, struct buf *structured);

/* One argument as text; "" when absent. */
static struct str
arg_text(struct str args, const char *name, struct arena *a)
{
	struct str raw, s;

	if (!json_get(args, str_of(name), &raw) || !json_string(raw, a, &s))
		return STR("");
	return s;
}

static int64_t
arg_number(struct str args, const char *name, int64_t usual, int64_t max)
{
	struct str raw;
	int64_t v;

	if (!json_get(args, str_of(name), &raw) || !json_i64(raw, &v) || v < 1)
		return usual;
	return v > max ? max : v;
}

static bool
complain(struct buf *out, const char *text, struct str what)
{
	buf_reset(out);
	buf_puts(out, text);
	if (what.n > 0)
		buf_printf(out, " \"" STR_FMT "\"", (int)(what.n > 100 ? 100 : what.n), what.p);
	return false;
}

static void
note_json(struct buf *out, const struct note *n)
{
	buf_printf(out, "{\"id\":\"n-%d\",\"title\":", n->id);
	buf_json_str(out, str_of(n->title));
	buf_puts(out, ",\"text\":");
	buf_json_str(out, str_of(n->text));
	buf_puts(out, ",\"tag\":");
	buf_json_str(out, str_of(n->tag));
	buf_putc(out, '}');
}

static void
order_json(struct buf *out, const struct order *o)
{
	buf_printf(out, "{\"id\":\"o-%d\",\"customer\":", o->id);
	buf_json_str(out, str_of(o->customer));
	buf_printf(out,
	    ",\"item\":\"%s\",\"quantity\":%d,\"total_cents\":%d,\"status\":\"%s\","
	    "\"ordered_on\":\"%s\"}",
	    o->item, o->quantity, o->total_cents, o->status, o->ordered_on);
}

static bool
search_notes(struct demo *d, struct str args, struct arena *a, struct buf *out)
{
	struct str query = arg_text(args, "query", a);
	int64_t limit = arg_number(args, "limit", PAGE_USUAL, PAGE_MAX), found = 0;

	buf_puts(out, "{\"notes\":[");
	for (size_t i = 0; i < d->data.notes_n; i++) {
		const struct note *n = &d->data.notes[i];

		if (!text_has(str_of(n->title), query) && !text_has(str_of(n->text), query) &&
		    !text_has(str_of(n->tag), query))
			continue;
		if (++found > limit)
			continue;
		if (found > 1)
			buf_putc(out, ',');
		note_json(out, n);
	}
	buf_puts(out, "],\"found\":");
	buf_i64(out, found);
	buf_putc(out, '}');
	return true;
}

static bool
get_note(struct demo *d, struct str args, struct arena *a, struct buf *out)
{
	struct str id = arg_text(args, "id", a);
	const struct note *n = data_note(&d->data, id);

	if (n == NULL)
		return complain(out, "no such note; search_notes lists ids:", id);
	note_json(out, n);
	return true;
}

/* The cursor is the number of orders that match and were shown. */
static bool
list_orders(struct demo *d, struct str args, struct arena *a, struct buf *out)
{
	struct str status = arg_text(args, "status", a), cursor = arg_text(args, "cursor", a);
	int64_t limit = arg_number(args, "limit", PAGE_USUAL, PAGE_MAX), skip = 0, found = 0;

	if (cursor.n > 0 && (!str_i64(cursor, &skip) || skip < 0 || skip > ORDERS))
		return complain(out, "not a cursor of this tool:", cursor);
	buf_puts(out, "{\"orders\":[");
	for (size_t i = 0; i < ORDERS; i++) {
		if (status.n > 0 && !str_eq(status, str_of(d->data.orders[i].status)))
			continue;
		if (++found <= skip || found > skip + limit)
			continue;
		if (found > skip + 1)
			buf_putc(out, ',');
		order_json(out, &d->data.orders[i]);
	}
	if (found > skip + limit)
		buf_printf(
		    out, "],\"found\":%d,\"next_cursor\":\"%d\"}", (int)found, (int)(skip + limit));
	else
		buf_printf(out, "],\"found\":%d}", (int)found);
	return true;
}

static bool
get_order(struct demo *d, struct str args, struct arena *a, struct buf *out)
{
	struct str id = arg_text(args, "id", a);
	const struct order *o = data_order(&d->data, id);

	if (o == NULL)
		return complain(out, "no such order; list_orders lists ids:", id);
	order_json(out, o);
	return true;
}

static bool
create_note(struct demo *d, struct str args, struct arena *a, struct buf *out)
{
	struct str title = arg_text(args, "title", a);
	const struct note *n;

	if (title.n == 0)
		return complain(out, "a note needs a title", STR(""));
	n = data_note_add(&d->data, title, arg_text(args, "text", a), arg_text(args, "tag", a));
	if (n == NULL)
		return complain(out, "no room: 512 notes of 8 KB at most", STR(""));
	note_json(out, n);
	return true;
}

static bool
delete_note(struct demo *d, struct str args, struct arena *a, struct buf *out)
{
	struct str id = arg_text(args, "id", a);
	struct note *n = data_note(&d->data, id);

	if (n == NULL)
		return complain(out, "no such note; search_notes lists ids:", id);
	buf_printf(out, "{\"deleted\":\"n-%d\"}", n->id);
	data_note_drop(&d->data, n);
	return true;
}

static bool
echo(struct demo *d, struct str args, struct arena *a, struct buf *out)
{
	(void)d;
	(void)a;
	buf_put(out, args);
	return true;
}

static bool
fail(struct demo *d, struct str args, struct arena *a, struct buf *out)
{
	(void)d;
	(void)args;
	(void)a;
	return complain(out, "this tool always fails", STR(""));
}

static bool
huge(struct demo *d, struct str args, struct arena *a, struct buf *out)
{
	char *p;

	(void)d;
	(void)args;
	(void)a;
	buf_puts(out, "{\"text\":\"");
	p = buf_room(out, HUGE_BYTES);
	if (p != NULL) {
		memset(p, 'x', HUGE_BYTES);
		out->n += HUGE_BYTES;
	}
	buf_puts(out, "\"}");
	return true;
}

static bool
sleep_ms(struct demo *d, struct str args, struct arena *a, struct buf *out)
{
	int64_t ms = arg_number(args, "ms", 10, 60000);
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	(void)d;
	(void)a;
	(void)nanosleep(&t, NULL);
	buf_printf(out, "{\"slept_ms\":%d}", (int)ms);
	return true;
}

static bool
add_tool(struct demo *d, struct str args, struct arena *a, struct buf *out)
{
	(void)args;
	(void)a;
	d->more_tools = d->tools_changed = true;
	buf_puts(out, "{\"added\":\"late_tool\"}");
	return true;
}

enum tool_when { ALWAYS, WITH_EXTRA, WHEN_ADDED };
struct tool_row {
	const char *name;
	enum tool_when when;
	call_f *call;
	const char *text; /* the definition after its name */
};

#define READS    "\"annotations\":{\"readOnlyHint\":true,\"openWorldHint\":false}"
#define ANY_ARGS "\"inputSchema\":{\"type\":\"object\"}"

static const struct tool_row rows[] = {
	{ "search_notes", ALWAYS, search_notes,
	    "\"title\":\"Search notes\",\"description\":\"Finds notes whose title, text or tag "
	    "contains a text. An empty query finds all.\",\"inputSchema\":{\"type\":\"object\","
	    "\"properties\":{\"query\":{\"type\":\"string\",\"description\":\"text to look "
	    "for\"},\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":50}},\"required\":["
	    "\"query\"],\"additionalProperties\":false},\"outputSchema\":{\"type\":\"object\","
	    "\"properties\":{\"notes\":{\"type\":\"array\",\"items\":" NOTE_SCHEMA "},\"found\":{"
	    "\"type\":\"integer\"}},\"required\":[\"notes\",\"found\"]}," READS },
	{ "get_note", ALWAYS, get_note,
	    "\"title\":\"Read a note\",\"description\":\"One note by its id.\",\"inputSchema\":{"
	    "\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\",\"description\":"
	    "\"n-1, n-2, …\"}},\"required\":[\"id\"],\"additionalProperties\":false},"
	    "\"outputSchema\":" NOTE_SCHEMA "," READS },
	{ "list_orders", ALWAYS, list_orders,
	    "\"title\":\"List orders\",\"description\":\"Orders in order of their id, in pages: "
	    "pass next_cursor back as cursor until it is absent.\",\"inputSchema\":{\"type\":"
	    "\"object\",\"properties\":{\"status\":{\"type\":\"string\",\"enum\":[\"open\","
	    "\"shipped\",\"returned\"]},\"cursor\":{\"type\":\"string\"},\"limit\":{\"type\":"
	    "\"integer\",\"minimum\":1,\"maximum\":50}},\"additionalProperties\":false},"
	    "\"outputSchema\":{\"type\":\"object\",\"properties\":{\"orders\":{\"type\":"
	    "\"array\",\"items\":" ORDER_SCHEMA "},\"found\":{\"type\":\"integer\"},"
	    "\"next_cursor\":{\"type\":\"string\"}},\"required\":[\"orders\",\"found\"]}," READS },
	{ "get_order", ALWAYS, get_order,
	    "\"title\":\"Read an order\",\"description\":\"One order by its id.\","
	    "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\","
	    "\"description\":\"o-1001, o-1002, …\"}},\"required\":[\"id\"],"
	    "\"additionalProperties\":false},\"outputSchema\":" ORDER_SCHEMA "," READS },
	{ "create_note", ALWAYS, create_note,
	    "\"title\":\"Write a note\",\"description\":\"Adds a note and gives it back with its "
	    "id.\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"title\":{\"type\":"
	    "\"string\"},\"text\":{\"type\":\"string\"},\"tag\":{\"type\":\"string\"}},"
	    "\"required\":[\"title\",\"text\"],\"additionalProperties\":false},"
	    "\"outputSchema\":" NOTE_SCHEMA ",\"annotations\":{\"readOnlyHint\":false,"
	    "\"destructiveHint\":false,\"openWorldHint\":false}" },
	{ "delete_note", ALWAYS, delete_note,
	    "\"title\":\"Delete a note\",\"description\":\"Deletes one note for good.\","
	    "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"}},"
	    "\"required\":[\"id\"],\"additionalProperties\":false},\"outputSchema\":{\"type\":"
	    "\"object\",\"properties\":{\"deleted\":{\"type\":\"string\"}},\"required\":["
	    "\"deleted\"]},\"annotations\":{\"readOnlyHint\":false,\"destructiveHint\":true,"
	    "\"idempotentHint\":true,\"openWorldHint\":false}" },
	{ "echo", WITH_EXTRA, echo, "\"description\":\"Gives its arguments back.\"," ANY_ARGS },
	{ "fail", WITH_EXTRA, fail, ANY_ARGS },
	{ "huge", WITH_EXTRA, huge, "\"description\":\"Answers with 12 MiB.\"," ANY_ARGS },
	{ "sleep", WITH_EXTRA, sleep_ms, "\"description\":\"Answers after a while.\"," ANY_ARGS },
	{ "add_tool", WITH_EXTRA, add_tool, "\"description\":\"Lists one more tool.\"," ANY_ARGS },
	{ "late_tool", WHEN_ADDED, echo, "\"description\":\"Was added.\"," ANY_ARGS },
};

/* What a careless server lists; each of them must be repaired or left out, alone. */
static const char malformed_tools[] =
    "{\"name\":\"no_schema\"},"
    "{\"name\":\"bad_schema\",\"inputSchema\":\"none\"},"
    "{\"name\":\"no_type\",\"inputSchema\":{\"properties\":{}}},"
    "{\"name\":\"bad_annotation\",\"inputSchema\":{\"type\":\"object\"},\"annotations\":{"
    "\"readOnlyHint\":\"yes\",\"title\":\"kept\"}},"
    "{\"name\":42,\"inputSchema\":{\"type\":\"object\"}},"
    "{\"inputSchema\":{\"type\":\"object\"}},"
    "{\"name\":\"\",\"inputSchema\":{\"type\":\"object\"}},"
    "{\"name\":\"twice\",\"inputSchema\":{\"type\":\"object\"}},"
    "{\"name\":\"twice\",\"inputSchema\":{\"type\":\"object\"}},"
    "{\"name\":\"dup_key\",\"name\":\"dup_key2\",\"inputSchema\":{\"type\":\"object\"}},"
    "{\"name\":\"odd name/\\u00fcn\\u00ef\",\"inputSchema\":{\"type\":\"object\"}},"
    "{\"name\":\"bad_text\",\"description\":7,\"inputSchema\":{\"type\":\"object\"}},"
    "\"not a tool\",null,";

static bool
row_there(const struct demo *d, const struct tool_row *r)
{
	return r->when == ALWAYS || (r->when == WITH_EXTRA && d->faults.extra) ||
	       (r->when == WHEN_ADDED && d->more_tools);
}

bool
tools_list(struct demo *d, struct str cursor, struct buf *out)
{
	int64_t skip = 0, seen = 0, page = d->faults.page > 0 ? d->faults.page : (int)COUNT(rows);
	bool more = false, any = false;

	if (cursor.p != NULL && (!str_i64(cursor, &skip) || skip < 0))
		return false;
	buf_puts(out, "\"tools\":[");
	if (d->faults.malformed && skip == 0)
		buf_puts(out, malformed_tools);
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (!row_there(d, &rows[i]) || seen++ < skip)
			continue;
		if (seen > skip + page) {
			more = true;
			break;
		}
		buf_printf(
		    out, "%s{\"name\":\"%s\",%s}", any ? "," : "", rows[i].name, rows[i].text);
		any = true;
	}
	buf_putc(out, ']');
	if (more)
		buf_printf(out, ",\"nextCursor\":\"%d\"", (int)(skip + page));
	return true;
}

enum tool_answer
tools_call(struct demo *d, struct str name, struct str args, struct arena *a, struct buf *out)
{
	const struct tool_row *r = NULL;
	struct buf structured;
	bool ok;

	for (size_t i = 0; r == NULL && i < COUNT(rows); i++)
		if (row_there(d, &rows[i]) && str_eq(name, str_of(rows[i].name)))
			r = &rows[i];
	if (r == NULL)
		return TOOL_UNKNOWN;
	if (d->faults.hang)
		return TOOL_SILENT;
	buf_init(&structured, 0);
	ok = r->call(d, args, a, &structured);
	buf_puts(out, "\"content\":[{\"type\":\"text\",\"text\":");
	buf_json_str(out, buf_str(&structured));
	buf_puts(out, "}]");
	if (ok) {
		buf_puts(out, ",\"structuredContent\":");
		buf_put(out, buf_str(&structured));
	} else {
		buf_puts(out, ",\"isError\":true");
	}
	buf_fini(&structured);
	return TOOL_OK;
}
