/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect - the one door to libcurl.
 *
 * Each connection has an easy handle and a multi of its own.  A shared multi would walk its list
 * of connections at every send, and its look-up is linear in what is in flight; a private one
 * costs some kilobytes and nothing per byte.  Names are resolved by curl's own resolver thread, so
 * a black-holed server or resolver never holds the loop.
 *
 *   connect_start() --multi's sockets and timer, on the loop--> connected() --> done(connection)
 *                                                          \--> failed      --> done(NULL, e)
 *
 * Afterwards plain connections are read and written directly; TLS goes through curl_easy_send and
 * curl_easy_recv, which must be called until they would block: TLS may hold decrypted bytes while
 * the socket looks silent.
 */
#include "base/connect.h"

#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#define SOCKETS_MAX 8 /* happy eyeballs: some addresses at once, and the resolver's pair */

struct connection {
	CURL *easy;
	CURLM *multi;
	curl_socket_t fd;
	bool tls;
};

struct connecting {
	struct loop *loop;
	struct connection *c;
	struct watch *watch[SOCKETS_MAX];
	curl_socket_t fd[SOCKETS_MAX];
	struct timer timer;
	struct deferred check, start;
	connect_done_f *done;
	void *ctx;
	char why[CURL_ERROR_SIZE];
};

/*
 * libcurl on Debian brings GnuTLS along for rtmp://, which nothing here speaks, and GnuTLS sets
 * itself up when it is loaded: 1.5 MB that every gateway would carry.  It asks this function, if
 * the program has one, whether to leave that until somebody calls gnutls_global_init().
 */
int _gnutls_global_init_skip(void);
__attribute__((visibility("default"), used)) int
_gnutls_global_init_skip(void) // NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
{
	return 1;
}

static void
connecting_free(struct connecting *k)
{
	timer_stop(&k->timer);
	deferred_drop(&k->check);
	deferred_drop(&k->start);
	for (int i = 0; i < SOCKETS_MAX; i++)
		watch_free(&k->watch[i]);
	if (k->c != NULL) {
		(void)curl_multi_setopt(k->c->multi, CURLMOPT_SOCKETFUNCTION, NULL);
		(void)curl_multi_setopt(k->c->multi, CURLMOPT_TIMERFUNCTION, NULL);
		(void)curl_easy_setopt(k->c->easy, CURLOPT_ERRORBUFFER, NULL);
	}
	free(k);
}

void
connection_free(struct connection **cp)
{
	struct connection *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	(void)curl_multi_remove_handle(c->multi, c->easy);
	curl_easy_cleanup(c->easy);
	(void)curl_multi_cleanup(c->multi);
	free(c);
}

void
connect_cancel(struct connecting **kp)
{
	struct connecting *k = *kp;
	struct connection *c;

	if (k == NULL)
		return;
	*kp = NULL;
	c = k->c;
	connecting_free(k);
	connection_free(&c);
}

static void
connected(struct connecting *k)
{
	struct connection *c = k->c;
	connect_done_f *done = k->done;
	void *ctx = k->ctx;
	struct err e;
	int one = 1;

	if (curl_easy_getinfo(c->easy, CURLINFO_ACTIVESOCKET, &c->fd) != CURLE_OK ||
	    c->fd == CURL_SOCKET_BAD) {
		(void)err_set(&e, ERR_UPSTREAM, "the connection closed at once");
		connecting_free(k);
		connection_free(&c);
		done(ctx, NULL, &e);
		return;
	}
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	connecting_free(k);
	done(ctx, c, NULL);
}

static void
failed(struct connecting *k, CURLcode code)
{
	struct connection *c = k->c;
	connect_done_f *done = k->done;
	void *ctx = k->ctx;
	struct err e;

	(void)err_set(&e, code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_UPSTREAM,
	    "cannot connect: %s", k->why[0] != '\0' ? k->why : curl_easy_strerror(code));
	connecting_free(k);
	connection_free(&c);
	done(ctx, NULL, &e);
}

/* Outside of curl's own callbacks: has it finished? */
static void
check(void *ctx)
{
	struct connecting *k = ctx;
	int left;
	CURLMsg *m;

	while ((m = curl_multi_info_read(k->c->multi, &left)) != NULL) {
		CURLcode code = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		if (code == CURLE_OK)
			connected(k);
		else
			failed(k, code);
		return;
	}
}

static void
act(struct connecting *k, curl_socket_t fd, int what)
{
	int running;

	(void)curl_multi_socket_action(k->c->multi, fd, what, &running);
	if (running == 0)
		loop_defer(k->loop, &k->check, check, k);
}

static void
ready(struct connecting *k, int i, int events)
{
	act(k, k->fd[i],
	    (events & WATCH_READ ? CURL_CSELECT_IN : 0) |
		(events & WATCH_WRITE ? CURL_CSELECT_OUT : 0));
}

/* A watch knows its connecting, not its slot: the callback of slot i. */
#define READY(i)                                                                                   \
	static void ready_##i(void *ctx, int events)                                               \
	{                                                                                          \
		ready(ctx, i, events);                                                             \
	}
READY(0)
READY(1)
READY(2)
READY(3)
READY(4)
READY(5)
READY(6)
READY(7)
static watch_f *const ready_at[SOCKETS_MAX] = { ready_0, ready_1, ready_2, ready_3, ready_4,
	ready_5, ready_6, ready_7 };

static int
socket_cb(CURL *easy, curl_socket_t fd, int what, void *userp, void *socketp)
{
	struct connecting *k = userp;
	int slot = -1, unused = -1;

	(void)easy;
	(void)socketp;
	for (int i = 0; i < SOCKETS_MAX; i++) {
		if (k->watch[i] != NULL && k->fd[i] == fd)
			slot = i;
		else if (k->watch[i] == NULL && unused < 0)
			unused = i;
	}
	if (what == CURL_POLL_REMOVE) {
		if (slot >= 0)
			watch_free(&k->watch[slot]);
		return 0;
	}
	if (slot < 0) {
		if (unused < 0)
			return -1;
		slot = unused;
		k->fd[slot] = fd;
		k->watch[slot] = watch_new(k->loop, fd, ready_at[slot], k);
	}
	watch_set(k->watch[slot],
	    (what & CURL_POLL_IN ? WATCH_READ : 0) | (what & CURL_POLL_OUT ? WATCH_WRITE : 0));
	return 0;
}

static void
time_out(void *ctx)
{
	act(ctx, CURL_SOCKET_TIMEOUT, 0);
}

static int
timer_cb(CURLM *multi, long ms, void *userp)
{
	struct connecting *k = userp;

	(void)multi;
	if (ms < 0)
		timer_stop(&k->timer);
	else
		timer_set(k->loop, &k->timer, ms, time_out, k);
	return 0;
}

static void
start(void *ctx)
{
	time_out(ctx);
}

static bool
is_public4(uint32_t a)
{
	static const struct {
		uint32_t net;
		int bits;
	} house[] = { { 0x00000000, 8 }, { 0x0a000000, 8 }, { 0x64400000, 10 }, { 0x7f000000, 8 },
		{ 0xa9fe0000, 16 }, { 0xac100000, 12 }, { 0xc0000000, 24 }, { 0xc0a80000, 16 },
		{ 0xc6120000, 15 }, { 0xe0000000, 3 } };

	for (size_t i = 0; i < COUNT(house); i++)
		if ((a ^ house[i].net) >> (32 - house[i].bits) == 0)
			return false;
	return true;
}

/* Of IPv6 only what is handed out (2000::/3), and there not what carries an IPv4 address along. */
static bool
is_public6(const uint8_t b[16])
{
	bool embeds = (b[0] == 0x20 && b[1] == 0x02) ||
		      (b[0] == 0x20 && b[1] == 0x01 && b[2] == 0 && b[3] == 0);

	return (b[0] & 0xe0) == 0x20 && !embeds;
}

static bool
is_public(const struct sockaddr *sa)
{
	const struct sockaddr_in *four = (const void *)sa;
	const struct sockaddr_in6 *six = (const void *)sa;

	if (sa->sa_family == AF_INET)
		return is_public4(ntohl(four->sin_addr.s_addr));
	return sa->sa_family == AF_INET6 && is_public6(six->sin6_addr.s6_addr);
}

static curl_socket_t
socket_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
	(void)ctx;
	(void)purpose;
	if (!is_public(&a->addr))
		return CURL_SOCKET_BAD;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static bool
public_only(CURL *easy, const struct connect_settings *s)
{
	return !s->public_only || s->proxy != NULL ||
	       curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, socket_open) == CURLE_OK;
}

static bool
options_set(struct connecting *k, const struct connect_settings *s)
{
	CURL *easy = k->c->easy;
	CURLM *multi = k->c->multi;

	return curl_easy_setopt(easy, CURLOPT_URL, s->url) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
		   CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PROXY, s->proxy != NULL ? s->proxy : "") ==
		   CURLE_OK &&
	       /* Without this NO_PROXY of the environment leads past the proxy, and public_only. */
	       curl_easy_setopt(easy, CURLOPT_NOPROXY, "") == CURLE_OK &&
	       /* A cancelled look-up is left to its thread instead of waited for. */
	       curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
	       (s->ca_file == NULL ||
		   (curl_easy_setopt(easy, CURLOPT_CAINFO, s->ca_file) == CURLE_OK &&
		       curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, s->ca_file) == CURLE_OK)) &&
	       curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)s->timeout_ms) == CURLE_OK &&
	       public_only(easy, s) &&
	       curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, k->why) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 16384L) == CURLE_OK &&
	       curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, socket_cb) == CURLM_OK &&
	       curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, k) == CURLM_OK &&
	       curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, timer_cb) == CURLM_OK &&
	       curl_multi_setopt(multi, CURLMOPT_TIMERDATA, k) == CURLM_OK &&
	       curl_multi_add_handle(multi, easy) == CURLM_OK;
}

struct connecting *
connect_start(struct loop *l, const struct connect_settings *s, connect_done_f *done, void *ctx,
    struct err *e)
{
	struct connecting *k = mem_zalloc(sizeof(*k));

	k->loop = l;
	k->done = done;
	k->ctx = ctx;
	k->c = mem_zalloc(sizeof(*k->c));
	k->c->tls = strncasecmp(s->url, "https:", 6) == 0;
	k->c->easy = curl_easy_init(); /* the first one readies libcurl and its OpenSSL */
	k->c->multi = curl_multi_init();
	if (k->c->easy == NULL || k->c->multi == NULL || !options_set(k, s)) {
		(void)err_set(e, ERR_UPSTREAM, "libcurl refused the connection's settings");
		connect_cancel(&k);
		return NULL;
	}
	loop_defer(l, &k->start, start, k);
	return k;
}

/* ---- bytes ---- */

int
connection_fd(const struct connection *c)
{
	return c->fd;
}

ssize_t
connection_send(struct connection *c, const struct iovec *iov, int n)
{
	size_t sent = 0, all = 0;

	if (!c->tls) {
		struct msghdr m = { .msg_iov = mem_unconst(iov), .msg_iovlen = (size_t)n };
		ssize_t k = sendmsg(c->fd, &m, MSG_NOSIGNAL);

		return k < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : k;
	}
	for (int i = 0; i < n; i++) {
		CURLcode code;

		if (iov[i].iov_len == 0)
			continue;
		code = curl_easy_send(c->easy, iov[i].iov_base, iov[i].iov_len, &sent);
		if (code != CURLE_OK && code != CURLE_AGAIN)
			return all > 0 ? (ssize_t)all : -1; /* the next call meets it again */
		all += sent;
		if (code == CURLE_AGAIN || sent < iov[i].iov_len)
			break;
	}
	return (ssize_t)all;
}

ssize_t
connection_recv(struct connection *c, void *p, size_t n, bool *eof)
{
	size_t got = 0;
	CURLcode code;
	ssize_t k;

	*eof = false;
	if (!c->tls) {
		k = recv(c->fd, p, n, 0);
		*eof = k == 0;
		if (k < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		return k == 0 ? -1 : k;
	}
	code = curl_easy_recv(c->easy, p, n, &got);
	if (code == CURLE_AGAIN)
		return 0;
	*eof = code == CURLE_OK && got == 0;
	return code == CURLE_OK && got > 0 ? (ssize_t)got : -1;
}
