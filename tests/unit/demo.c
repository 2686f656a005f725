/* SPDX-License-Identifier: Apache-2.0 */
/* The demo server as a process: lines in, lines out, whole, and in every chunking. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "tests/unit/check.h"

#define CALL(id, name, args)                                                                       \
	"{\"jsonrpc\":\"2.0\",\"id\":" id                                                          \
	",\"method\":\"tools/call\",\"params\":{\"name\":\"" name "\",\"arguments\":" args "}}\n"

static const char script[] =
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"
    "\"2025-06-18\"}}\n"
    "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n"
    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}\n" CALL("3", "search_notes",
	"{\"query\":\"lamp\"}") CALL("4", "create_note", "{\"title\":\"T\",\"text\":\"x\\ny\"}")
	CALL("5", "get_note", "{\"id\":\"n-13\"}") CALL("6", "delete_note", "{\"id\":\"n-13\"}")
	    CALL("7", "get_note", "{\"id\":\"n-13\"}")
		CALL("8", "list_orders", "{\"status\":\"returned\",\"limit\":15,\"cursor\":\"15\"}")
		    CALL("9", "nope",
			"{}") "{\"jsonrpc\":\"2.0\",\"id\":10,\"method\":\"ping\"}\n"
			      "not json\n"
			      "{\"jsonrpc\":\"2.0\",\"id\":\"m\",\"method\":\"server/"
			      "discover\",\"params\":{\"_meta\":{"
			      "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"}}}\n";

static void
demo_path(char *out, size_t cap)
{
	ssize_t n = readlink("/proc/self/exe", out, cap - 32);

	while (n > 0 && out[n - 1] != '/')
		n--;
	ASSERT(n > 0 && str_copy(out + n, cap - (size_t)n, STR("../demo-server")));
}

/* Feeds the script in pieces of `step` bytes, gives back all of stdout. */
static void
run(size_t step, struct buf *out)
{
	char path[512], *argv[] = { path, NULL };
	int in[2], back[2], status;
	pid_t pid;

	demo_path(path, sizeof(path));
	ASSERT(pipe(in) == 0 && pipe(back) == 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(in[0], 0);
		(void)dup2(back[1], 1);
		(void)close(in[1]);
		(void)close(back[0]);
		(void)execv(path, argv);
		_exit(127);
	}
	(void)close(in[0]);
	(void)close(back[1]);
	for (size_t at = 0; at < sizeof(script) - 1;) {
		size_t n = sizeof(script) - 1 - at < step ? sizeof(script) - 1 - at : step;
		ssize_t w = write(in[1], script + at, n);

		ASSERT(w > 0);
		at += (size_t)w;
	}
	(void)close(in[1]);
	for (;;) {
		char *room = buf_room(out, 65536);
		ssize_t n = read(back[0], room, 65536);

		if (n <= 0)
			break;
		out->n += (size_t)n;
	}
	(void)close(back[0]);
	ASSERT(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool
has(struct buf *b, const char *text)
{
	return strstr(buf_cstr(b), text) != NULL;
}

int
main(void)
{
	struct buf whole, bytes;
	struct str rest, line;
	struct err e;
	int lines = 0;

	buf_init(&whole, 0);
	buf_init(&bytes, 0);
	TEST("a session over pipes");
	run(sizeof(script), &whole);
	CHECK(has(&whole, "\"protocolVersion\":\"2025-06-18\""));
	CHECK(has(&whole, "\"found\":3}"));
	CHECK(has(&whole, "{\"id\":\"n-13\",\"title\":\"T\",\"text\":\"x\\ny\",\"tag\":\"\"}"));
	CHECK(has(&whole, "{\"deleted\":\"n-13\"}"));
	CHECK(has(&whole, "no such note"));
	CHECK(has(&whole, "\"found\":20}"));
	CHECK(has(&whole, "\"id\":9,\"error\":{\"code\":-32602"));
	CHECK(has(&whole, "\"id\":10,\"result\":{}"));
	CHECK(has(&whole, "\"id\":null,\"error\":{\"code\":-32700"));
	CHECK(has(&whole, "\"supportedVersions\":[\"2026-07-28\"]"));
	TEST("every line is JSON with each key once");
	rest = buf_str(&whole);
	while (rest.n > 0) {
		line = str_cut(&rest, '\n');
		CHECK(json_check(line, true, &e));
		lines++;
	}
	CHECK_EQ_I(lines, 12);
	TEST("byte by byte it says the same");
	run(1, &bytes);
	CHECK_MEM(bytes.p, bytes.n, whole.p, whole.n);
	buf_fini(&whole);
	buf_fini(&bytes);
	return check_done();
}
