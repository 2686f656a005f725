/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mcp - the hub's side of the benchmark: a client that counts, and a server with many tools.
 *
 *   mcp list PORT N        tools/list N times on one connection, each the next page;
 *                          prints "tools T pages P p50_us X p99_us Y max_us Z"
 *   mcp sessions PORT N    N legacy sessions (initialize), prints "sessions N"
 *   mcp streams PORT N     N subscriptions/listen streams, prints "streams N", holds them until its
 *                          input ends
 *   mcp count PORT NAME    the number of that name in /metrics
 *   mcp serve N            an MCP server over stdio with N tools
 *
 * KEYS in the environment: virtual keys, separated by spaces, used in turn.  Any reply but a 200
 * ends the run with what it said.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/clock.h"

#define REPLY_BYTES_MAX ((size_t)8 << 20)
#define KEYS_MAX        256
#define CURSOR_BYTES    512
#define META                                                                                       \
	"\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                   \
	"\"io.modelcontextprotocol/clientCapabilities\":{}}"

struct keys {
	char text[16384];
	const char *key[KEYS_MAX];
	size_t n;
};
struct client {
	uint16_t port;
	struct keys keys;
	char *reply; /* head and body, NUL-terminated */
	size_t reply_n;
};

static void
die(const char *what, const char *more)
{
	fprintf(stderr, "mcp: %s: %.300s\n", what, more);
	exit(1);
}

static int
dial(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };
	struct timeval patience = { .tv_sec = 10 };
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		perror("mcp: connect");
		exit(1);
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static void
keys_read(struct keys *k)
{
	const char *env = getenv("KEYS");
	char *save = NULL;
	if (!env || strlen(env) >= sizeof(k->text))
		die("KEYS", "not in the environment, or too many");
	memcpy(k->text, env, strlen(env) + 1);
	for (char *p = strtok_r(k->text, " \n", &save); p && k->n < KEYS_MAX;
	     p = strtok_r(NULL, " \n", &save))
		k->key[k->n++] = p;
	if (k->n == 0)
		die("KEYS", "none");
}

static void
post(int fd, const char *key, const char *method, const char *body)
{
	char request[4096];
	char modern[256] = "";
	if (method)
		(void)snprintf(modern, sizeof(modern),
		    "mcp-protocol-version: 2026-07-28\r\nmcp-method: %s\r\n", method);
	int n = snprintf(request, sizeof(request),
	    "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %s\r\n"
	    "content-type: application/json\r\naccept: application/json, text/event-stream\r\n"
	    "%scontent-length: %zu\r\n\r\n%s",
	    key, modern, strlen(body), body);
	if (n < 0 || (size_t)n >= sizeof(request) ||
	    send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		die("send", body);
}

/* Reads on until `wanted` bytes are there; 0: until the head is. */
static size_t
read_more(struct client *c, int fd, size_t wanted)
{
	const char *end = NULL;
	while (wanted > 0 ? c->reply_n < wanted : !(end = strstr(c->reply, "\r\n\r\n"))) {
		ssize_t n =
		    c->reply_n + 1 < REPLY_BYTES_MAX
			? recv(fd, c->reply + c->reply_n, REPLY_BYTES_MAX - 1 - c->reply_n, 0)
			: -1;
		if (n <= 0)
			die("the reply ended early", c->reply);
		c->reply_n += (size_t)n;
		c->reply[c->reply_n] = 0;
	}
	if (strncmp(c->reply, "HTTP/1.1 200 ", 13) != 0)
		die("not a 200", c->reply);
	return end ? (size_t)(end - c->reply) + 4 : 0;
}

static void
reply_read(struct client *c, int fd)
{
	c->reply_n = 0;
	c->reply[0] = 0;
	size_t head = read_more(c, fd, 0);
	const char *length = strcasestr(c->reply, "\r\ncontent-length:");
	if (!length || length > c->reply + head)
		die("no content-length", c->reply);
	(void)read_more(c, fd, head + strtoul(length + 17, NULL, 10));
	if (strstr(c->reply + head, "\"error\":{\"code\""))
		die("an error", c->reply + head);
}

/* The next page's cursor, from the end of the reply; "" at the last. */
static void
cursor_take(const struct client *c, char out[CURSOR_BYTES])
{
	static const char NAME[] = "\"nextCursor\":\"";
	const char *at = NULL;
	const char *from = c->reply + (c->reply_n > 1024 ? c->reply_n - 1024 : 0);
	out[0] = 0;
	if ((at = strstr(from, NAME)))
		(void)snprintf(out, CURSOR_BYTES, "%.*s", (int)strcspn(at + sizeof(NAME) - 1, "\""),
		    at + sizeof(NAME) - 1);
}

static size_t
tools_count(const struct client *c)
{
	size_t n = 0;
	for (const char *p = c->reply; (p = strstr(p, "\"inputSchema\":")); p++)
		n++;
	return n;
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static int
list(struct client *c, size_t n)
{
	uint32_t *us = calloc(n + 1, sizeof(*us));
	char cursor[CURSOR_BYTES] = "", body[1024];
	size_t tools = 0, pages = 0;
	int fd = dial(c->port);
	bool first = true;
	for (size_t i = 0; us && i < n; i++) {
		(void)snprintf(body, sizeof(body),
		    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/"
		    "list\",\"params\":{%s%s%s" META "}}",
		    cursor[0] ? "\"cursor\":\"" : "", cursor, cursor[0] ? "\"," : "");
		int64_t at = now_ns();
		post(fd, c->keys.key[0], "tools/list", body);
		reply_read(c, fd);
		us[i] = (uint32_t)((now_ns() - at) / 1000);
		tools += first ? tools_count(c) : 0;
		pages += first;
		cursor_take(c, cursor);
		first = first && cursor[0];
	}
	if (!us || n == 0)
		return 1;
	qsort(us, n, sizeof(*us), by_size);
	printf("tools %zu pages %zu p50_us %u p99_us %u max_us %u\n", tools, pages, us[n / 2],
	    us[n * 99 / 100], us[n - 1]);
	return 0;
}

static int
sessions(struct client *c, size_t n)
{
	int fd = dial(c->port);
	for (size_t i = 0; i < n; i++) {
		post(fd, c->keys.key[i % c->keys.n], NULL,
		    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{"
		    "\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},"
		    "\"clientInfo\":{\"name\":\"bench\",\"version\":\"1\"}}}");
		reply_read(c, fd);
	}
	printf("sessions %zu\n", n);
	return 0;
}

static int
streams(struct client *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int fd = dial(c->port);
		post(fd, c->keys.key[i % c->keys.n], "subscriptions/listen",
		    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscriptions/listen\",\"params\":{"
		    "\"notifications\":{\"toolsListChanged\":true}," META "}}");
		c->reply_n = 0;
		c->reply[0] = 0;
		(void)read_more(c, fd, 0);
	}
	printf("streams %zu\n", n);
	(void)fflush(stdout);
	while (read(0, c->reply, 1) > 0)
		;
	return 0;
}

static int
count(struct client *c, const char *name)
{
	static const char ASK[] = "GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
	char line[128];
	int fd = dial(c->port);
	if (send(fd, ASK, sizeof(ASK) - 1, MSG_NOSIGNAL) < 0)
		die("send", ASK);
	reply_read(c, fd);
	(void)snprintf(line, sizeof(line), "\n%s ", name);
	const char *at = strstr(c->reply, line);
	if (!at)
		die("no such metric", name);
	printf("%ld\n", strtol(at + strlen(line), NULL, 10));
	return 0;
}

/* One line in, one line out. */
static int
serve(size_t tools)
{
	char *line = NULL;
	size_t room = 0;
	while (getline(&line, &room, stdin) > 0) {
		const char *id = strstr(line, "\"id\":");
		if (!id)
			continue;
		printf("{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{", (int)strcspn(id + 5, ",}"),
		    id + 5);
		if (strstr(line, "\"server/discover\""))
			fputs("\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{"
			      "}},",
			    stdout);
		else if (strstr(line, "\"tools/list\""))
			for (size_t i = 0; i < tools; i++)
				printf(
				    "%s{\"name\":\"tool_%zu\",\"description\":\"Does thing %zu for "
				    "somebody.\",\"inputSchema\":{\"type\":\"object\","
				    "\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{\"type\":"
				    "\"integer\"}}}}%s",
				    i ? "," : "\"tools\":[", i, i, i + 1 == tools ? "]," : "");
		puts("\"resultType\":\"complete\"}}");
		(void)fflush(stdout);
	}
	free(line);
	return 0;
}

int
main(int argc, char **argv)
{
	static struct client c;
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve(strtoul(argv[2], NULL, 10));
	if (argc != 4) {
		fputs("usage: mcp list|sessions|streams PORT N, mcp count PORT NAME, mcp serve N\n",
		    stderr);
		return 2;
	}
	size_t n = strtoul(argv[3], NULL, 10);
	c.port = (uint16_t)strtoul(argv[2], NULL, 10);
	c.reply = malloc(REPLY_BYTES_MAX);
	if (!c.reply)
		return 1;
	if (strcmp(argv[1], "count") == 0)
		return count(&c, argv[3]);
	keys_read(&c.keys);
	if (strcmp(argv[1], "list") == 0)
		return list(&c, n);
	return strcmp(argv[1], "sessions") == 0 ? sessions(&c, n) : streams(&c, n);
}
