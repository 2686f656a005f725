/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_tls - base/http.c over TLS, against `openssl s_server`: certificates are checked, large
 * bodies pass both ways, and what TLS holds decrypted is not forgotten by a pause.
 */
#include "base/http.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/http_rig.h"

#define BIG 3000000

static struct http_pool *pool;
static struct job root;
static const struct job_type root_type = { "root", NULL, NULL };
static char dir[] = "/tmp/http_tls.XXXXXX";

struct seen {
	struct origin *origin;
	struct str body;
	size_t pause_every, last;
	struct http_call *call;
	struct buf got;
	atomic_int dones, pauses;
	struct err e;
	bool failed;
};

static void
on_head(void *ctx, const struct http1_head *h)
{
	(void)ctx;
	CHECK_EQ_I(h->status, 200);
}

static bool
on_data(void *ctx, struct str bytes)
{
	struct seen *s = ctx;

	buf_put(&s->got, bytes);
	if (s->pause_every == 0 || s->got.n - s->last < s->pause_every)
		return true;
	s->last = s->got.n;
	atomic_fetch_add(&s->pauses, 1);
	return false;
}

static void
on_done(void *ctx, const struct err *e)
{
	struct seen *s = ctx;

	s->failed = e != NULL;
	if (e != NULL)
		s->e = *e;
	atomic_fetch_add(&s->dones, 1);
}
static const struct http_events events = { on_head, on_data, on_done };

static void
start_cb(void *arg)
{
	struct seen *s = arg;
	struct http_request r = { .origin = s->origin, .method = STR("POST"), .target = STR("/") };
	struct err e;

	r.body[0] = s->body;
	buf_init(&s->got, 0);
	s->call = http_start(&root, &r, &events, s, &e);
}

static void
resume_cb(void *arg)
{
	struct seen *s = arg;

	if (atomic_load(&s->dones) == 0)
		http_resume(s->call);
}

struct making {
	struct origin_settings s;
	struct origin *o;
};

static void
make_cb(void *arg)
{
	struct making *m = arg;
	struct err e;

	m->o = origin_new(pool, &m->s, &e);
	CHECK(m->o != NULL);
}

/* ---- openssl ---- */

struct child {
	pid_t pid;
	int in, out;
};

static struct child
run(const char *const *argv)
{
	struct child c = { 0 };
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
		abort();
	c.pid = fork();
	if (c.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (chdir(dir) != 0 || dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 ||
		    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 2) < 0)
			_exit(1);
		(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	c.in = in[1];
	c.out = out[0];
	return c;
}

static int
stop(struct child *c, bool now)
{
	int status = -1;

	if (now)
		(void)kill(c->pid, SIGKILL);
	(void)waitpid(c->pid, &status, 0);
	(void)close(c->in);
	(void)close(c->out);
	return status;
}

static bool
certificate(void)
{
	const char *const argv[] = { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem", "-out", "cert.pem",
		"-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", NULL };
	struct child c = run(argv);

	return stop(&c, false) == 0;
}

/* A port that was free a moment ago: s_server tells its own only when it also takes commands from
 * stdin, which our replies would be. */
static struct child
tls_server(int *port)
{
	char number[16];
	const char *const argv[] = { "openssl", "s_server", "-quiet", "-accept", number, "-cert",
		"cert.pem", "-key", "key.pem", NULL };
	struct child c;

	(void)close(serve(port, 1));
	(void)snprintf(number, sizeof(number), "%d", *port);
	c = run(argv);
	for (int i = 0; i < 500; i++) {
		int fd = dial(*port);

		if (fd >= 0) {
			(void)close(fd);
			break;
		}
		nap_ms(10);
	}
	return c;
}

/* Reads what the server prints until `mark`. */
static bool
printed(struct child *c, struct buf *b, const char *mark)
{
	char bytes[65536];

	while (b->n == 0 || memmem(b->p, b->n, mark, strlen(mark)) == NULL) {
		struct pollfd p = { .fd = c->out, .events = POLLIN };
		ssize_t n = poll(&p, 1, 5000) == 1 ? read(c->out, bytes, sizeof(bytes)) : 0;

		if (n <= 0)
			return false;
		buf_put(b, (struct str){ bytes, (size_t)n });
	}
	return true;
}

static void
type_in(struct child *c, struct str s)
{
	while (s.n > 0) {
		ssize_t n = write(c->in, s.p, s.n);

		if (n <= 0)
			return;
		s.p += n;
		s.n -= (size_t)n;
	}
}

/* ---- tests ---- */

static void
test_trusted(struct child *server, struct origin *o)
{
	struct seen a = { .origin = o, .body = STR("hello-1\n") },
		    b = { .origin = o, .body = STR("hello-2\n"), .pause_every = 100000 };
	struct buf out, big;

	buf_init(&out, 0);
	buf_init(&big, 0);
	for (int i = 0; i < BIG; i++)
		buf_putc(&big, "abcdefghijklmnopqrstuvwxyz\n"[i % 27]);
	TEST("a request and its reply over TLS");
	on_loop(start_cb, &a);
	CHECK(printed(server, &out, "hello-1"));
	type_in(server, STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
	CHECK(wait_for(&a.dones, 1));
	CHECK(!a.failed);
	CHECK_STR(buf_str(&a.got), "ok");

	TEST("the connection is used again; a large reply passes with pauses");
	on_loop(start_cb, &b);
	CHECK(printed(server, &out, "hello-2"));
	{
		char head[100];
		int pauses = 0;
		pid_t typist = fork(); /* s_server reads no more while TLS is not read */

		if (typist == 0) {
			(void)snprintf(head, sizeof(head),
			    "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BIG);
			type_in(server, str_of(head));
			type_in(server, buf_str(&big));
			_exit(0);
		}
		while (atomic_load(&b.dones) == 0 && pauses < 100) {
			for (int i = 0; i < 5000 && atomic_load(&b.pauses) <= pauses &&
					atomic_load(&b.dones) == 0;
			     i++)
				nap_ms(1);
			if (atomic_load(&b.pauses) <= pauses)
				break;
			pauses++;
			nap_ms(pauses % 3);
			on_loop(resume_cb, &b);
			if (b.got.n == BIG)
				(void)wait_for(&b.dones, 1);
		}
		CHECK(pauses > 5);
		(void)waitpid(typist, NULL, 0);
	}
	CHECK(wait_for(&b.dones, 1));
	CHECK(!b.failed);
	CHECK(str_eq(buf_str(&b.got), buf_str(&big)));
	buf_fini(&a.got);
	buf_fini(&b.got);

	TEST("a large request passes");
	buf_puts(&big, "the-end\n");
	a = (struct seen){ .origin = o, .body = buf_str(&big) };
	buf_reset(&out);
	on_loop(start_cb, &a);
	CHECK(printed(server, &out, "the-end"));
	CHECK(memmem(out.p, out.n, big.p, big.n) != NULL);
	type_in(server, STR("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nuntil it is cut off"));
	nap_ms(100);
	TEST("a TLS stream that is cut off breaks the reply");
	(void)kill(server->pid, SIGKILL);
	CHECK(wait_for(&a.dones, 1));
	CHECK(a.failed && a.e.code == ERR_UPSTREAM);
	CHECK_STR(buf_str(&a.got), "until it is cut off");
	buf_fini(&a.got);
	buf_fini(&out);
	buf_fini(&big);
}

static void
test_not_trusted(int port)
{
	struct making m = { 0 };
	char url[64];
	struct seen s;

	TEST("a certificate of an unknown authority is refused, and the error says so");
	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%d", port);
	m.s.url = url;
	on_loop(make_cb, &m);
	s = (struct seen){ .origin = m.o };
	on_loop(start_cb, &s);
	CHECK(wait_for(&s.dones, 1));
	CHECK(s.failed && s.e.code == ERR_UPSTREAM);
	CHECK(strstr(s.e.text, "certificate") != NULL);
	buf_fini(&s.got);
	TEST("a name that is not in the certificate is refused");
	{
		char ca[64];

		(void)snprintf(url, sizeof(url), "https://localhost:%d", port);
		(void)snprintf(ca, sizeof(ca), "%s/cert.pem", dir);
		m = (struct making){ .s = { .url = url, .ca_file = ca } };
		on_loop(make_cb, &m);
		s = (struct seen){ .origin = m.o };
		on_loop(start_cb, &s);
		CHECK(wait_for(&s.dones, 1));
		CHECK(s.failed && s.e.code == ERR_UPSTREAM);
		buf_fini(&s.got);
	}
}

static void
test_all(void)
{
	struct making m = { 0 };
	struct child server;
	char ca[64], url[64];
	int port = 0;

	server = tls_server(&port);
	CHECK(port > 0);
	test_not_trusted(port);
	(void)snprintf(ca, sizeof(ca), "%s/cert.pem", dir);
	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%d", port);
	m.s = (struct origin_settings){ .url = url, .ca_file = ca };
	on_loop(make_cb, &m);
	test_trusted(&server, m.o);
	(void)stop(&server, true);
}

int
main(void)
{
	char path[64];

	(void)signal(SIGPIPE, SIG_IGN);
	CHECK(mkdtemp(dir) != NULL);
	rig_start();
	job_init(&root, &root_type, NULL, NULL, NULL);
	pool = http_pool_new(rig.loop);
	CHECK(certificate());
	rig_run();
	test_all();
	rig_stop();
	job_cancel(&root);
	jobs_reap();
	http_pool_free(&pool);
	rig_free();
	(void)snprintf(path, sizeof(path), "%s/cert.pem", dir);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/key.pem", dir);
	(void)unlink(path);
	(void)rmdir(dir);
	return check_done();
}
