/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server - a small MCP server over stdio, so that the first minute needs neither npm nor network.
 *
 * It speaks both eras: 2026-07-28 (server/discover, _meta on each request, subscriptions/listen)
 * and 2024-11-05 … 2025-11-25 (initialize).  One request is one line; answers come in order.
 *
 * As it is also the upstream of most tests, it can be told to misbehave in one way at a time
 * (--help lists how).  Nothing here is a model for a large server: it reads, answers, and waits.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mcp/demo/demo.h"

#define LINE_BYTES_MAX ((size_t)20 << 20)
#define ARENA_BYTES    ((size_t)24 << 20)
#define MODERN         "2026-07-28"
#define SERVER_INFO    "{\"name\":\"tollgate-demo\",\"version\":\"1.0.0\"}"
#define INSTRUCTIONS   "Notes and orders of a small shop. Orders come in pages."

static bool
flush_out(struct demo *d)
{
	size_t at = 0;

	while (at < d->out.n) {
		ssize_t n = write(STDOUT_FILENO, d->out.p + at, d->out.n - at);

		if (n < 0 && errno != EINTR)
			return false;
		at += n > 0 ? (size_t)n : 0;
	}
	buf_reset(&d->out);
	return true;
}

static void
reply_error(struct demo *d, struct str id, int code, const char *text, const char *data)
{
	buf_puts(&d->out, "{\"jsonrpc\":\"2.0\",\"id\":");
	buf_put(&d->out, id);
	buf_printf(&d->out, ",\"error\":{\"code\":%d,\"message\":\"%s\"%s%s}}\n", code, text,
	    data == NULL ? "" : ",\"data\":", data == NULL ? "" : data);
}

/* Begins a result object; the caller adds members and reply_end(). */
static void
reply_begin(struct demo *d, struct str id)
{
	buf_puts(&d->out, "{\"jsonrpc\":\"2.0\",\"id\":");
	buf_put(&d->out, id);
	buf_puts(&d->out, ",\"result\":{");
}

static void
reply_end(struct demo *d, bool modern, const char *more)
{
	if (modern)
		buf_printf(&d->out,
		    ",\"resultType\":\"complete\"%s,\"_meta\":{\"io.modelcontextprotocol/serverInfo"
		    "\":" SERVER_INFO "}",
		    more);
	buf_puts(&d->out, "}}\n");
}

struct request {
	struct str id, method, params;
	bool modern;
};

static void
answer_discover(struct demo *d, const struct request *r)
{
	if (d->faults.legacy) {
		reply_error(d, r->id, -32601, "Method not found", NULL);
		return;
	}
	reply_begin(d, r->id);
	buf_puts(&d->out,
	    "\"supportedVersions\":[\"" MODERN "\"],\"capabilities\":{\"tools\":{\"listChanged\":"
	    "true}},\"instructions\":\"" INSTRUCTIONS "\"");
	reply_end(d, true, ",\"ttlMs\":0,\"cacheScope\":\"public\"");
}

static void
answer_initialize(struct demo *d, const struct request *r, struct arena *a)
{
	static const char *const known[] = { "2024-11-05", "2025-03-26", "2025-06-18",
		"2025-11-25" };
	struct str raw, wanted = STR("");
	const char *version = "2025-11-25";

	if (d->faults.modern) {
		reply_error(d, r->id, -32601, "Method not found", NULL);
		return;
	}
	if (json_get(r->params, STR("protocolVersion"), &raw))
		(void)json_string(raw, a, &wanted);
	for (size_t i = 0; i < COUNT(known); i++)
		if (str_eq(wanted, str_of(known[i])))
			version = known[i];
	reply_begin(d, r->id);
	buf_printf(&d->out,
	    "\"protocolVersion\":\"%s\",\"capabilities\":{\"tools\":{\"listChanged\":true}},"
	    "\"serverInfo\":" SERVER_INFO ",\"instructions\":\"" INSTRUCTIONS "\"",
	    version);
	reply_end(d, false, "");
	d->initialized = true;
}

static void
answer_list(struct demo *d, const struct request *r, struct arena *a)
{
	struct str raw, cursor = STR_NONE;
	struct buf list;

	if (d->faults.hang_list)
		return;
	if (d->faults.bad_list) {
		reply_begin(d, r->id);
		buf_puts(&d->out, "\"tools\":\"all of them\"}}\n");
		return;
	}
	if (json_get(r->params, STR("cursor"), &raw))
		(void)json_string(raw, a, &cursor);
	buf_init(&list, 0);
	if (tools_list(d, cursor, &list)) {
		reply_begin(d, r->id);
		buf_put(&d->out, buf_str(&list));
		reply_end(d, r->modern, ",\"ttlMs\":0,\"cacheScope\":\"public\"");
	} else {
		reply_error(d, r->id, -32602, "Unknown cursor", NULL);
	}
	buf_fini(&list);
}

static void
say_changed(struct demo *d)
{
	if (d->listen_id[0] != '\0')
		buf_printf(&d->out,
		    "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\","
		    "\"params\":{\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":%s}}}\n",
		    d->listen_id);
	else if (d->initialized)
		buf_puts(&d->out,
		    "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n");
	d->tools_changed = false;
}

static void
answer_call(struct demo *d, const struct request *r, struct arena *a)
{
	struct str raw, name = STR(""), args = STR("{}");
	struct buf result;

	if (json_get(r->params, STR("name"), &raw))
		(void)json_string(raw, a, &name);
	(void)json_get(r->params, STR("arguments"), &args);
	if (d->faults.die_call)
		_exit(3);
	buf_init(&result, 0);
	switch (tools_call(d, name, args, a, &result)) {
	case TOOL_OK:
		reply_begin(d, r->id);
		buf_put(&d->out, buf_str(&result));
		reply_end(d, r->modern, "");
		break;
	case TOOL_UNKNOWN:
		reply_error(d, r->id, -32602, "Unknown tool", NULL);
		break;
	case TOOL_SILENT:
		break;
	}
	buf_fini(&result);
	if (d->tools_changed)
		say_changed(d);
}

static void
answer_listen(struct demo *d, const struct request *r)
{
	if (!str_copy(d->listen_id, sizeof(d->listen_id), r->id)) {
		d->listen_id[0] = '\0';
		reply_error(d, r->id, -32602, "The id is too long", NULL);
		return;
	}
	buf_printf(&d->out,
	    "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\","
	    "\"params\":{\"notifications\":{\"toolsListChanged\":true},\"_meta\":{"
	    "\"io.modelcontextprotocol/subscriptionId\":%s}}}\n",
	    d->listen_id);
}

static bool
version_known(struct demo *d, const struct request *r, struct str version_raw)
{
	if (json_string_is(version_raw, STR(MODERN)) && !d->faults.legacy)
		return true;
	reply_error(d, r->id, -32022, "Unsupported protocol version",
	    "{\"supported\":[\"" MODERN "\"],\"requested\":\"\"}");
	return false;
}

static void
answer(struct demo *d, struct request *r, struct arena *a)
{
	struct str meta, version;

	if (json_get(r->params, STR("_meta"), &meta) &&
	    json_get(meta, STR("io.modelcontextprotocol/protocolVersion"), &version)) {
		if (!d->faults.legacy && !version_known(d, r, version))
			return;
		r->modern = !d->faults.legacy;
	}
	if (str_eq(r->method, STR("server/discover")))
		answer_discover(d, r);
	else if (str_eq(r->method, STR("initialize")))
		answer_initialize(d, r, a);
	else if (str_eq(r->method, STR("tools/list")))
		answer_list(d, r, a);
	else if (str_eq(r->method, STR("tools/call")))
		answer_call(d, r, a);
	else if (str_eq(r->method, STR("subscriptions/listen")) && r->modern)
		answer_listen(d, r);
	else if (str_eq(r->method, STR("ping")) && !r->modern)
		buf_printf(&d->out, "{\"jsonrpc\":\"2.0\",\"id\":" STR_FMT ",\"result\":{}}\n",
		    STR_ARG(r->id));
	else
		reply_error(d, r->id, -32601, "Method not found", NULL);
}

static void
say_garbage(struct demo *d)
{
	buf_puts(&d->out, "this is not JSON\n\n[]\n"
			  "{\"jsonrpc\":\"2.0\",\"id\":987654321,\"result\":{}}\n"
			  "{\"jsonrpc\":\"2.0\",\"id\":\"strange\",\"error\":{\"code\":1}}\n"
			  "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"sampling/createMessage\"}\n"
			  "{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}\n"
			  "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/unheard_of\"}\n");
}

static void
take_line(struct demo *d, struct str line)
{
	struct json_field f[] = { { .name = STR("id") }, { .name = STR("method") },
		{ .name = STR("params") } };
	struct request r = { .params = STR("{}") };
	struct str id;
	struct arena a;
	struct err e;

	if (line.n == 0 || d->faults.mute)
		return;
	if (!json_check(line, true, &e) || !json_fields(line, f, COUNT(f), &e)) {
		reply_error(d, STR("null"), -32700, "Parse error", NULL);
		return;
	}
	arena_init(&a, ARENA_BYTES);
	r.id = f[0].raw;
	if (f[1].raw.p == NULL || !json_string(f[1].raw, &a, &r.method)) {
		arena_free(&a); /* an answer; this server asks nothing */
		return;
	}
	if (f[2].raw.p != NULL)
		r.params = f[2].raw;
	if (d->faults.die_probe && str_eq(r.method, STR("server/discover")))
		_exit(3);
	if (d->faults.garbage)
		say_garbage(d);
	if (r.id.p != NULL)
		answer(d, &r, &a);
	else if (str_eq(r.method, STR("notifications/cancelled")) &&
		 json_get(r.params, STR("requestId"), &id) && str_eq(id, str_of(d->listen_id)))
		d->listen_id[0] = '\0';
	arena_free(&a);
}

static int
serve(struct demo *d)
{
	struct buf in;
	struct str rest, line;
	int status = 0;

	buf_init(&in, LINE_BYTES_MAX);
	for (;;) {
		char *room = buf_room(&in, 65536);
		ssize_t n = room == NULL ? 0 : read(STDIN_FILENO, room, 65536);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			status = room == NULL || n < 0;
			break;
		}
		in.n += (size_t)n;
		rest = buf_str(&in);
		while (memchr(rest.p, '\n', rest.n) != NULL) {
			line = str_cut(&rest, '\n');
			take_line(d, line);
			if (rest.p == NULL || rest.n == 0)
				break;
		}
		buf_drop(&in, in.n - (rest.p == NULL ? 0 : rest.n));
		if (!flush_out(d))
			break;
	}
	buf_fini(&in);
	return status;
}

static const char help[] = "demo-server - a small MCP tool server over stdio: notes and orders.\n"
			   "It reads JSON-RPC lines on stdin; a gateway or an agent starts it.\n\n"
			   "  --page N       list N tools per page\n"
			   "  --extra        more tools: echo, fail, huge, sleep, add_tool\n"
			   "  --legacy       know no server/discover\n"
			   "  --modern       know no initialize\n\n"
			   "Ways to misbehave, for tests of whoever stands in front:\n"
			   "  --mute         never answer\n"
			   "  --hang         never answer a call\n"
			   "  --hang-list    never answer tools/list\n"
			   "  --die-probe    exit on server/discover\n"
			   "  --die-call     exit on a call\n"
			   "  --malformed    list broken tools among the good ones\n"
			   "  --bad-list     answer tools/list with nonsense\n"
			   "  --garbage      write lines that nobody asked for\n";

static bool
option(struct faults *f, const char *arg)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = { { "--extra", &f->extra }, { "--legacy", &f->legacy },
		{ "--modern", &f->modern }, { "--mute", &f->mute }, { "--hang", &f->hang },
		{ "--hang-list", &f->hang_list }, { "--die-probe", &f->die_probe },
		{ "--die-call", &f->die_call }, { "--malformed", &f->malformed },
		{ "--bad-list", &f->bad_list }, { "--garbage", &f->garbage } };

	for (size_t i = 0; i < COUNT(flags); i++) {
		if (strcmp(arg, flags[i].name) == 0) {
			*flags[i].flag = true;
			return true;
		}
	}
	return false;
}

int
main(int argc, char **argv)
{
	struct demo *d = mem_zalloc(sizeof(*d));
	int64_t page;
	int status;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			(void)fputs(help, stdout);
			free(d);
			return 0;
		}
		if (strcmp(argv[i], "--page") == 0 && i + 1 < argc &&
		    str_i64(str_of(argv[i + 1]), &page) && page > 0 && page < 1000) {
			d->faults.page = (int)page;
			i++;
		} else if (!option(&d->faults, argv[i])) {
			(void)fprintf(
			    stderr, "demo-server: unknown option %s (see --help)\n", argv[i]);
			free(d);
			return 2;
		}
	}
	buf_init(&d->out, 0);
	data_fill(&d->data);
	status = serve(d);
	data_free(&d->data);
	buf_fini(&d->out);
	free(d);
	return status;
}
