/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub against servers behind HTTP: JSON and event streams in every chunking, both eras, a lost
 * session, refusals, outages, and a reply that never ends.
 *
 * The server is a child of this test that forks for each connection; what must be counted across
 * connections stands in shared memory.
 */
#include "tests/unit/mcp_world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "mcp/era.h"

enum mode { MODERN_JSON, MODERN_SSE, LEGACY, UNAUTHORIZED, OUTAGE, HTML, HUGE_REPLY, SILENT };

struct shared {
	_Atomic int mode, initialized, sessions, lost, calls, cancelled, secret_seen, name_seen,
	    params_seen;
};
struct upstream {
	struct shared *s;
	int port;
	pid_t pid;
	char url[64];
};

static void
say(int fd, const char *p, size_t n, bool dribble)
{
	for (size_t at = 0; at < n;) {
		ssize_t w = send(fd, p + at, dribble ? 1 : n - at, MSG_NOSIGNAL);

		if (w <= 0)
			_exit(0);
		at += (size_t)w;
		if (dribble && at % 64 == 0)
			usleep(100);
	}
}

static void
reply(int fd, int status, const char *type, const char *more, const struct buf *body, bool dribble)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b,
	    "HTTP/1.1 %d X\r\ncontent-type: %s\r\ncontent-length: %zu\r\nconnection: "
	    "close\r\n%s\r\n",
	    status, type, body->n, more);
	buf_put(&b, buf_str(body));
	say(fd, b.p, b.n, dribble);
	_exit(0);
}

static bool
header_has(const struct http1_head *h, struct str name, const char *value)
{
	const struct header *found = http1_find(h, name);

	return found != NULL && str_eq(found->value, str_of(value));
}

/* In the child of the child: one request, one reply. */
static void
answer(int fd, struct shared *s, const struct http1_head *h, struct str text)
{
	struct buf b, result;
	struct rpc m;
	struct err e;
	struct str args = STR("{}");
	const struct header *session = http1_find(h, STR("mcp-session-id"));
	const char *more = "";
	char id[64];

	buf_init(&b, 0);
	buf_init(&result, 0);
	if (http1_find(h, STR("x-secret")) != NULL)
		s->secret_seen++;
	if (s->mode == UNAUTHORIZED || s->mode == OUTAGE)
		reply(fd, s->mode == OUTAGE ? 503 : 401, "text/plain", "", &b, false);
	if (s->mode == HTML) {
		buf_puts(&b, "<html>not here</html>");
		reply(fd, 400, "text/html", "", &b, false);
	}
	if (str_eq(h->method, STR("GET")))
		reply(fd, 405, "text/plain", "", &b, false);
	if (!rpc_parse(text, true, &m, &e))
		reply(fd, 400, "text/plain", "", &b, false);
	if (m.kind == RPC_IS_NOTIFICATION) {
		if (rpc_is(&m, "notifications/cancelled"))
			s->cancelled++;
		reply(fd, 202, "text/plain", "", &b, false);
	}
	if (s->mode == LEGACY) {
		if (rpc_is(&m, "initialize")) {
			s->sessions++;
			(void)snprintf(id, sizeof(id), "mcp-session-id: sess-%d\r\n", s->sessions);
			more = id;
			buf_puts(&result,
			    "{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":"
			    "{}},\"serverInfo\":{\"name\":\"x\",\"version\":\"1\"}}");
			rpc_put_result(&b, m.id, buf_str(&result));
			reply(fd, 200, "application/json", more, &b, false);
		}
		(void)snprintf(id, sizeof(id), "sess-%d", s->sessions);
		if (rpc_is(&m, "server/discover")) {
			rpc_put_error(&b, m.id, -32000, STR("no session"), STR(""));
			reply(fd, 400, "application/json", "", &b, false);
		}
		if (session == NULL || !str_eq(session->value, str_of(id)) || s->lost > 0) {
			s->lost -= s->lost > 0;
			reply(fd, 404, "text/plain", "", &b, false);
		}
	}
	if (rpc_is(&m, "server/discover"))
		buf_puts(&result,
		    "{\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":"
		    "{}},\"resultType\":\"complete\"}");
	else if (rpc_is(&m, "tools/list"))
		buf_puts(&result,
		    "{\"tools\":[{\"name\":\"echo "
		    "\xc3\xbc\",\"inputSchema\":{\"type\":\"object\",\"properties\":{"
		    "\"a\":{\"x-mcp-header\":\"Big\"},\"b\":{\"x-mcp-header\":\"No\"},\"c\":{"
		    "\"x-mcp-header\":\"Nul\"}}}},{\"name\":\"odd\",\"inputSchema\":{\"type\":"
		    "\"object\",\"properties\":{\"d\":{\"x-mcp-header\":\"bad name\"}}}}]}");
	else if (rpc_is(&m, "tools/call")) {
		const struct header *name = http1_find(h, STR("mcp-name"));

		s->calls++;
		s->params_seen += header_has(h, STR("mcp-param-big"), "9007199254740993") &&
				  header_has(h, STR("mcp-param-nul"), "=?base64?AA==?=") &&
				  http1_find(h, STR("mcp-param-no")) == NULL;
		s->name_seen += name != NULL && era_header_is(name->value, STR("echo \xc3\xbc"));
		(void)json_get(m.params, STR("arguments"), &args);
		if (s->mode == SILENT)
			sleep(30);
		buf_puts(&result, "{\"content\":[],\"structuredContent\":");
		buf_put(&result, args);
		if (s->mode == HUGE_REPLY) {
			buf_puts(&result, ",\"x\":\"");
			for (int i = 0; i < 12 << 20; i += 16)
				buf_puts(&result, "0123456789abcdef");
			buf_putc(&result, '"');
		}
		buf_putc(&result, '}');
	} else {
		rpc_put_error(&b, m.id, -32601, STR("no"), STR(""));
		reply(fd, 404, "application/json", "", &b, false);
	}
	if (s->mode == MODERN_SSE) {
		buf_puts(&b, "\xef\xbb\xbf: hello\r\nretry: 10\r\n\r\nid: 1\ndata: \n\n"
			     "event: message\rdata: {\"jsonrpc\":\"2.0\",\"method\":"
			     "\"notifications/message\",\rdata: \"params\":{}}\r\rdata: ");
		rpc_put_result(&b, m.id, buf_str(&result));
		buf_puts(&b, "\n\n");
		reply(fd, 200, "text/event-stream; charset=utf-8", "", &b, true);
	}
	rpc_put_result(&b, m.id, buf_str(&result));
	reply(fd, 200, "application/json; charset=utf-8", more, &b, false);
}

static void
connection(int fd, struct shared *s)
{
	struct http1_head h;
	struct buf in;
	struct err e;
	size_t scanned = 0, used;
	enum http1_result r;

	alarm(60);
	buf_init(&in, 0);
	do {
		char *room = buf_room(&in, 65536);
		ssize_t n = read(fd, room, 65536);

		if (n <= 0)
			_exit(0);
		in.n += (size_t)n;
		r = http1_request(buf_str(&in), &scanned, &h, &used, &e);
		if (r == HTTP1_DONE && h.framing == HTTP1_LENGTH &&
		    in.n < used + (size_t)h.length_bytes)
			r = HTTP1_MORE;
	} while (r == HTTP1_MORE);
	if (r == HTTP1_DONE)
		answer(fd, s, &h, (struct str){ in.p + used, in.n - used });
	_exit(0);
}

static void
upstream_start(struct upstream *u, enum mode mode)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	u->s = mmap(NULL, sizeof(*u->s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(u->s != MAP_FAILED);
	u->s->mode = mode;
	ASSERT(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 64) == 0);
	ASSERT(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
	u->port = ntohs(a.sin_port);
	(void)snprintf(u->url, sizeof(u->url), "http://127.0.0.1:%d/mcp", u->port);
	u->pid = fork();
	if (u->pid != 0) {
		(void)close(fd);
		return;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c >= 0 && fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			connection(c, u->s);
		}
		(void)close(c);
	}
}

static void
upstream_stop(struct upstream *u)
{
	(void)kill(u->pid, SIGKILL);
	(void)waitpid(u->pid, NULL, 0);
	(void)munmap(u->s, sizeof(*u->s));
}

#define CALL                                                                                       \
	"\"name\":\"web__echo__\",\"arguments\":{\"a\":9007199254740993,\"b\":1.0,\"c\":"          \
	"\"\\u0000\"},"
#define ECHOED "\"structuredContent\":{\"a\":9007199254740993,\"b\":1.0,\"c\":\"\\u0000\"}"

static void
begin(struct world *w, struct upstream *u, struct server_settings *s, enum mode mode)
{
	static const struct header own[] = { { STR("x-secret"), STR("s3cret") } };

	upstream_start(u, mode);
	world_init(w);
	*s = (struct server_settings){ .name = "web",
		.url = u->url,
		.headers = own,
		.headers_n = 1,
		.call_ms = mode == SILENT ? 300 : 5000 };
	world_hub(w, s, 1);
	hub_start(w->hub);
}

static void
echo_once(struct world *w)
{
	struct visitor v;

	modern(w, &v, &w->all, "tools/call", "web__echo__", CALL);
	UNTIL(w, v.ended, 5000);
	if (!CHECK(v.status == 200 && has(&v, ECHOED) && has(&v, "\"resultType\":\"complete\"")))
		check_print("reply", v.body.p, v.body.n);
	visitor_fini(&v);
}

static void
works(enum mode mode)
{
	struct server_settings s;
	struct upstream u;
	struct world w;

	begin(&w, &u, &s, mode);
	UNTIL(&w, hub_find_tool(w.hub, STR("web__echo__")) != NULL, 5000);
	for (int i = 0; i < 3; i++)
		echo_once(&w);
	CHECK_EQ_I(u.s->calls, 3);
	CHECK(u.s->secret_seen >= 5);
	CHECK_EQ_I(u.s->name_seen, mode == LEGACY ? 0 : 3);
	CHECK_EQ_I(u.s->params_seen, mode == LEGACY ? 0 : 3);
	if (mode == LEGACY) {
		TEST("a lost session is made anew once, and the call is sent again");
		CHECK_EQ_I(u.s->sessions, 2); /* the one that lists, and the key's own */
		u.s->lost = 1;
		echo_once(&w);
		CHECK_EQ_I(u.s->sessions, 3);
		echo_once(&w);
	}
	CHECK_EQ_I(w.core.left, w.core.entered);
	world_free(&w);
	upstream_stop(&u);
}

static void
refused(enum mode mode, const char *why)
{
	struct server_settings s;
	struct upstream u;
	struct world w;
	struct buf b;
	bool said = false;

	begin(&w, &u, &s, mode);
	UNTIL(&w, hub_settled(w.hub), 5000);
	buf_init(&b, 0);
	hub_servers_json(w.hub, &b);
	said = strstr(buf_cstr(&b), why) != NULL;
	if (!CHECK(said))
		check_print("servers", b.p, b.n);
	CHECK(strstr(buf_cstr(&b), "s3cret") == NULL);
	buf_fini(&b);
	TEST("it comes back when the server does");
	u.s->mode = MODERN_JSON;
	UNTIL(&w, hub_find_tool(w.hub, STR("web__echo__")) != NULL, 5000);
	world_free(&w);
	upstream_stop(&u);
}

static void
call_fails(enum mode mode, const char *why)
{
	struct server_settings s;
	struct upstream u;
	struct world w;
	struct visitor v;

	begin(&w, &u, &s, mode);
	UNTIL(&w, hub_find_tool(w.hub, STR("web__echo__")) != NULL, 5000);
	modern(&w, &v, &w.all, "tools/call", "web__echo__", CALL);
	UNTIL(&w, v.ended, 10000);
	if (!CHECK(v.status == 200 && has(&v, why) && has(&v, "\"isError\":true")))
		check_print("reply", v.body.p, v.body.n > 500 ? 500 : v.body.n);
	visitor_fini(&v);
	u.s->mode = MODERN_JSON;
	echo_once(&w);
	CHECK_EQ_I(w.core.left, w.core.entered);
	world_free(&w);
	upstream_stop(&u);
}

int
main(void)
{
	TEST("a modern server that answers JSON");
	works(MODERN_JSON);
	TEST("a modern server that answers events, byte by byte, in every line ending");
	works(MODERN_SSE);
	TEST("a legacy server with sessions");
	works(LEGACY);
	TEST("refused credentials are said");
	refused(UNAUTHORIZED, "HTTP 401, it refuses our credentials");
	TEST("an outage is not the legacy era");
	refused(OUTAGE, "server/discover: HTTP 503");
	TEST("HTML is no MCP");
	refused(HTML, "initialize: HTTP 400");
	TEST("a reply past the cap fails its call");
	call_fails(HUGE_REPLY, "too large");
	TEST("a server that does not answer fails its call");
	call_fails(SILENT, "in time");
	return check_done();
}
