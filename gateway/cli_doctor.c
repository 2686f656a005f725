/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_doctor - what is wrong with this host and this configuration.
 *
 * Looks only; nothing is changed, and nothing is asked of a provider or a server.  Each finding is
 * one line: what was looked at, what was found, what to do.  A running gateway is asked how it is;
 * without one the sandbox proves itself here, and the addresses are tried.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "gateway/cli.h"
#include "gateway/gateway.h"

#define FILES_MIN      4096
#define BACKUP_DAYS    7
#define FREE_BYTES_MIN ((uint64_t)1 << 30)
#define SANDBOX_MS     3000
#define NFS_MAGIC      0x6969
#define CIFS_MAGIC     0xff534d42u
#define SMB2_MAGIC     0xfe534d42u
#define TMPFS_MAGIC    0x01021994
#define ARENA_BYTES    ((size_t)16 << 20)

enum finding { GOOD, WARN, BAD };

struct visit {
	const struct cli *cli;
	struct settings *s; /* its lock is read */
	struct buf out;
	size_t n, bad;
};

static void
    PRINTF(4, 5) found(struct visit *v, enum finding f, const char *what, const char *fmt, ...)
{
	static const char *const words[] = { "ok", "warning", "bad" };
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	v->bad += f == BAD;
	if (v->cli->json) {
		buf_printf(&v->out,
		    "%s{\"check\":\"%s\",\"result\":\"%s\",\"text\":", v->n > 0 ? "," : "", what,
		    words[f]);
		buf_json_str(&v->out, str_of(text));
		buf_putc(&v->out, '}');
	} else {
		buf_printf(&v->out, "%-8s %-10s %s\n", words[f], what, text);
	}
	v->n++;
}

/* Each line of `lines` is a finding: a warning when it says so. */
static void
found_lines(struct visit *v, const char *what, struct str lines)
{
	while (lines.p != NULL && lines.n > 0) {
		struct str line = str_cut(&lines, '\n');
		bool warning = memmem(line.p, line.n, ": warning: ", 11) != NULL;

		if (line.n > 0)
			found(v, warning ? WARN : BAD, what, STR_FMT, STR_ARG(line));
	}
}

/* ---- files ---- */

static void
policies_look(struct visit *v)
{
	struct core_settings core;
	struct buf out;

	buf_init(&out, 0);
	settings_core(v->s, &core);
	if (policies_check(&core, &out))
		found(v, GOOD, "policies", "%s", v->s->policies);
	found_lines(v, "policies", buf_str(&out));
	buf_fini(&out);
}

static void
secrets_look(struct visit *v)
{
	for (size_t i = 0; i < v->s->providers_n; i++)
		if (v->s->providers[i].missing.n > 0)
			found(v, BAD, "provider", STR_FMT " is off: " STR_FMT,
			    STR_ARG(v->s->providers[i].name), STR_ARG(v->s->providers[i].missing));
	for (size_t i = 0; i < v->s->servers_n; i++)
		if (v->s->servers[i].disabled != NULL)
			found(v, BAD, "server", "%s is off: %s", v->s->servers[i].name,
			    v->s->servers[i].disabled);
}

/* A program with a slash is a path, any other one is looked up in PATH. */
static bool
program_there(const char *program)
{
	const char *env = getenv("PATH"); // NOLINT(concurrency-mt-unsafe)
	struct str rest = str_of(env != NULL ? env : "/usr/bin:/bin");
	char path[4096];

	if (strchr(program, '/') != NULL)
		return access(program, X_OK) == 0;
	while (rest.p != NULL) {
		struct str dir = str_cut(&rest, ':');

		(void)snprintf(path, sizeof(path), STR_FMT "/%s", STR_ARG(dir), program);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static void
programs_look(struct visit *v)
{
	for (size_t i = 0; i < v->s->servers_n; i++) {
		const struct server_settings *sv = &v->s->servers[i];

		if (sv->argv != NULL && !program_there(sv->argv[0]))
			found(v, BAD, "server",
			    "%s: there is no program %s (install it, or give "
			    "its path)",
			    sv->name, sv->argv[0]);
	}
}

/* ---- the data folder ---- */

static void
disk_look(struct visit *v, const char *data)
{
	struct statfs fs;
	uint64_t left;

	if (statfs(data, &fs) != 0)
		return;
	left = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
	if (left < FREE_BYTES_MIN)
		found(v, BAD, "disk",
		    "%s has %llu MiB left; a full disk stops governed work (make "
		    "room)",
		    data, (unsigned long long)(left >> 20));
	else
		found(v, GOOD, "disk", "%llu MiB free", (unsigned long long)(left >> 20));
	if (fs.f_type == NFS_MAGIC || (uint32_t)fs.f_type == CIFS_MAGIC ||
	    (uint32_t)fs.f_type == SMB2_MAGIC)
		found(v, BAD, "disk",
		    "%s is on a network file system, where locks and fsync cannot "
		    "be trusted (use a local disk)",
		    data);
	if (fs.f_type == TMPFS_MAGIC)
		found(v, WARN, "disk",
		    "%s is in memory: keys, usage and audit are gone after a "
		    "restart of the host",
		    data);
}

static bool
row_keep(void *ctx, int64_t seq, struct str event)
{
	int64_t *ts = ctx;

	(void)seq;
	*ts = cli_number(event, "ts_ns");
	return true;
}

static void
backup_look(struct visit *v, const char *data)
{
	struct backup_note last;
	struct timespec now;
	struct err e;
	int64_t days;

	if (!core_backup_last(data, &last, &e)) {
		found(v, WARN, "backup", "%s",
		    e.code == ERR_NOT_FOUND ? "none is known here (tollgate backup FILE)" : e.text);
		return;
	}
	(void)clock_gettime(CLOCK_REALTIME, &now);
	days = ((int64_t)now.tv_sec - last.ts_ns / 1000000000) / 86400;
	found(v, days > BACKUP_DAYS ? WARN : GOOD, "backup", "the last one is %lld days old: %s",
	    (long long)days, last.file);
}

/* Pages, chain against anchor, journal. */
static void
files_look(struct visit *v, const char *data)
{
	struct buf out;
	struct err e;

	buf_init(&out, 0);
	if (core_files_look(data, &out, &e))
		found(v, GOOD, "database", "%s (tollgate audit verify proves the chain)",
		    buf_cstr(&out));
	else
		found(v, BAD, "database", "%s", e.text);
	buf_fini(&out);
	backup_look(v, data);
}

static bool
there(const char *data, const char *name)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", data, name);
	return access(path, F_OK) == 0;
}

/* The newest row, and whether the clock has gone back since. */
static void
database_look(struct visit *v, const char *data)
{
	const struct audit_query q = { .limit = 1, .newest = true };
	struct timespec now;
	int64_t ts_ns = 0;
	struct err e;

	if (!audit_read(data, &q, row_keep, &ts_ns, &e)) {
		if (e.code == ERR_NOT_FOUND && !there(data, "tollgate.db"))
			found(v, GOOD, "database", "none yet (the first start makes it)");
		else
			found(v, BAD, "database", "%s", e.text);
		return;
	}
	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (ts_ns / 1000000000 > (int64_t)now.tv_sec + 60)
		found(v, BAD, "clock",
		    "the newest audit row is of the future: this host's clock "
		    "has gone back (set it, use NTP)");
	else
		files_look(v, data);
}

/* What is another user's cannot be used after a restart, and what others can read is not secret:
 * copying DATA as root does both. */
static void
file_look(struct visit *v, const struct stat *folder, const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	if (st.st_uid != folder->st_uid)
		found(v, BAD, "data", "%s belongs to user %u, its folder to %u (chown %u %s)", path,
		    (unsigned)st.st_uid, (unsigned)folder->st_uid, (unsigned)folder->st_uid, path);
	if ((st.st_mode & 077) != 0)
		found(v, (folder->st_mode & 077) != 0 ? BAD : WARN, "data",
		    "others can read %s (chmod 600 %s)", path, path);
}

static void
owners_look(struct visit *v, const char *data, const struct stat *folder)
{
	DIR *d = opendir(data);
	const struct dirent *f;
	char path[4096];

	if (d == NULL)
		return;
	while ((f = readdir(d)) != NULL) { // NOLINT(concurrency-mt-unsafe)
		(void)snprintf(path, sizeof(path), "%s/%s", data, f->d_name);
		file_look(v, folder, path);
	}
	(void)closedir(d);
}

static void
data_look(struct visit *v)
{
	const char *data = v->s->data;
	struct stat st;

	if (stat(data, &st) != 0) {
		found(v, GOOD, "data", "%s is not there yet (the first start makes it)", data);
		return;
	}
	if (!S_ISDIR(st.st_mode))
		found(v, BAD, "data", "%s is no folder", data);
	else if (st.st_uid != geteuid() && geteuid() != 0)
		found(v, BAD, "data", "%s belongs to user %u (run as that user)", data,
		    (unsigned)st.st_uid);
	else if ((st.st_mode & 077) != 0)
		found(v, WARN, "data", "others can look into %s (chmod 700 %s)", data, data);
	else if (access(data, W_OK | X_OK) != 0)
		found(v, BAD, "data", "%s cannot be written (chmod 700 %s)", data, data);
	else
		found(v, GOOD, "data", "%s", data);
	owners_look(v, data, &st);
	disk_look(v, data);
	database_look(v, data);
}

/* ---- the host ---- */

static void
host_look(struct visit *v)
{
	struct rlimit files;
	struct utsname u;

	if (uname(&u) == 0)
		found(v, GOOD, "kernel", "%s %s %s", u.sysname, u.release, u.machine);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES_MIN)
		found(v, WARN, "limits",
		    "only %llu open files; each client takes one or two "
		    "(ulimit -n 65536)",
		    (unsigned long long)files.rlim_cur);
	if (geteuid() == 0)
		found(v, WARN, "user",
		    "runs as root, which it does not need (use a user of its "
		    "own)");
}

static void
sandbox_look(struct visit *v)
{
	struct loop *l;
	struct sandbox *sb;
	struct err e;
	int64_t until_ms;

	l = loop_new(&e);
	if (l == NULL)
		return;
	sb = sandbox_new(l, &(struct sandbox_settings){ .idle = 1 }, &e);
	until_ms = loop_mono_ms(l) + SANDBOX_MS;
	while (sb != NULL && sandbox_level(sb) == SANDBOX_STARTING && loop_mono_ms(l) < until_ms)
		loop_turn(l);
	if (sb == NULL)
		found(v, BAD, "sandbox", "Code Mode is off: %s", e.text);
	else if (sandbox_level(sb) == SANDBOX_FULL)
		found(v, GOOD, "sandbox", "full");
	else
		found(v, sandbox_level(sb) == SANDBOX_REDUCED ? WARN : BAD, "sandbox", "%s: %s",
		    sandbox_level_word(sandbox_level(sb)), sandbox_why(sb));
	if (sb != NULL)
		sandbox_free(&sb);
	jobs_reap();
	loop_free(&l);
}

/* Can this address be had? */
static void
address_look(struct visit *v, const char *address)
{
	const char *colon = strrchr(address, ':');
	struct sockaddr_in in = { .sin_family = AF_INET };
	char host[64];
	int64_t port;
	int fd, on = 1;

	if (colon == NULL || !str_i64(str_of(colon + 1), &port) || port == 0 ||
	    !str_copy(host, sizeof(host), STR_SPAN(address, colon)) ||
	    inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return; /* port 0 is always free; IPv6 is told by the start itself */
	in.sin_port = htons((uint16_t)port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0)
		found(v, GOOD, "listen", "%s is free", address);
	else
		found(v, BAD, "listen",
		    "%s cannot be had: %s (stop what holds it, or change "
		    "listen)",
		    address, strerrorname_np(errno));
	(void)close(fd);
}

/* ---- the running gateway ---- */

static void
ready_look(struct visit *v, struct str body)
{
	struct str policies, servers, key, s, why;
	struct json_iter it;
	struct arena a;

	arena_init(&a, ARENA_BYTES);
	why = cli_text(body, "why", &a);
	found(v, why.n > 0 ? BAD : GOOD, "gateway", "%s" STR_FMT,
	    why.n > 0 ? "runs, but is not ready: " : "runs and is ready", STR_ARG(why));
	s = cli_text(body, "sandbox", &a);
	why = cli_text(body, "sandbox_why", &a);
	found(v,
	    str_eq(s, STR("full"))      ? GOOD
	    : str_eq(s, STR("reduced")) ? WARN
					: BAD,
	    "sandbox", STR_FMT "%s" STR_FMT, STR_ARG(s), why.n > 0 ? ": " : "", STR_ARG(why));
	if (json_get(body, STR("policies"), &policies) &&
	    (why = cli_text(policies, "kept_because", &a)).n > 0)
		found(v, BAD, "reload", "older policies are in force: " STR_FMT, STR_ARG(why));
	if (json_get(body, STR("servers"), &servers) && json_open(servers, &it))
		while (json_next(&it, &key, &s)) {
			struct str state = cli_text(s, "state", &a);

			if (!str_eq(state, STR("ready")))
				found(v, BAD, "server", STR_FMT " is " STR_FMT ": " STR_FMT,
				    STR_ARG(cli_text(s, "name", &a)), STR_ARG(state),
				    STR_ARG(cli_text(s, "failure", &a)));
		}
	arena_free(&a);
}

static void
gateway_look(struct visit *v)
{
	struct buf body;
	struct err e;

	buf_init(&body, 0);
	if (cli_ready(v->s, &body)) {
		if (json_check(buf_str(&body), true, &e))
			ready_look(v, buf_str(&body));
		else
			found(v, BAD, "gateway", "its answer is no JSON: %s", e.text);
	} else {
		found(v, WARN, "gateway", "does not run (tollgate run)");
		for (size_t i = 0; i < v->s->listen_n; i++)
			address_look(v, v->s->listen[i].address);
		sandbox_look(v);
	}
	buf_fini(&body);
}

int
cmd_doctor(const struct cli *cli)
{
	struct visit v = { .cli = cli };
	struct settings *s;
	struct buf warnings;
	struct err e;

	log_setup(LOG_LEVEL_ERROR, false); /* what is found is told once */
	buf_init(&v.out, 0);
	buf_init(&warnings, 0);
	s = settings_load(cli->config, &warnings, &e);
	v.s = s;
	host_look(&v);
	if (s == NULL) {
		found(&v, BAD, "config", "%s", e.text);
	} else {
		found(&v, GOOD, "config", "%s", s->file);
		if (!settings_files_check(s, &e))
			found(&v, BAD, "config", "%s", e.text);
		policies_look(&v);
		secrets_look(&v);
		programs_look(&v);
		data_look(&v);
		gateway_look(&v);
	}
	if (cli->json)
		(void)printf("[%s]\n", buf_cstr(&v.out));
	else
		(void)fputs(buf_cstr(&v.out), stdout);
	buf_fini(&warnings);
	buf_fini(&v.out);
	settings_free(&s);
	return v.bad > 0 ? 1 : 0;
}
