/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings_jail - what a stdio server may not do: user, rlimits, network, read_only, writable.
 *
 * A user is looked up here, once: a name that means nobody is an error of the file, not of the
 * tenth restart.  Whether the host can do what is asked for is known when the server starts.
 */
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/jail.h"
#include "gateway/settings_read.h"

#define FOLDERS_MAX 32
#define PWD_BYTES   4096

static struct jail *
jail_of(struct reading *r, struct server_settings *s)
{
	if (s->jail == NULL)
		s->jail = arena_zalloc(&r->s->arena, sizeof(struct jail));
	return mem_unconst(s->jail);
}

void
jail_user_read(struct reading *r, struct yaml *y, void *into)
{
	struct jail *j = jail_of(r, into);
	struct passwd pw, *found = NULL;
	char room[PWD_BYTES];
	struct str name;
	int64_t uid;

	if (!text_read(r, y, &name))
		return;
	if (str_i64(name, &uid) && uid >= 0 && uid < UINT32_MAX)
		(void)getpwuid_r((uid_t)uid, &pw, room, sizeof(room), &found);
	else
		(void)getpwnam_r(arena_cstr(&r->s->arena, name), &pw, room, sizeof(room), &found);
	if (found == NULL) {
		(void)bad(r, y, "this host has no user \"" STR_FMT "\" (adduser)", STR_ARG(name));
		return;
	}
	if (geteuid() != 0 && geteuid() != found->pw_uid)
		warn_at(r, y, "only root may start a server as another user: it will not start");
	j->has_user = true;
	j->uid = found->pw_uid;
	j->gid = found->pw_gid;
}

void
jail_network_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct word words[] = { { "host", 1 }, { "none", 2 }, { NULL, 0 } };
	int v = 0;

	if (word_read(r, y, words, &v))
		jail_of(r, into)->no_network = v == 2;
}

static const char *const *
folders_read(struct reading *r, const struct yaml *y)
{
	const char **list;
	size_t n = 0;

	if (y->kind != YAML_LIST || y->n == 0 || y->n > FOLDERS_MAX) {
		(void)bad(r, y, "a list of 1 to %d folders was expected", FOLDERS_MAX);
		return NULL;
	}
	list = arena_zalloc(&r->s->arena, (y->n + 1) * sizeof(*list));
	for (struct yaml *k = y->kids; k != NULL; k = k->next) {
		list[n] = NULL;
		path_read(r, k, &list[n]);
		if (list[n] != NULL)
			n++;
	}
	return list;
}

void
jail_read_only_read(struct reading *r, struct yaml *y, void *into)
{
	jail_of(r, into)->read_only = folders_read(r, y);
}

void
jail_writable_read(struct reading *r, struct yaml *y, void *into)
{
	jail_of(r, into)->writable = folders_read(r, y);
}

/* ---- rlimits ---- */

static void
limit_add(struct jail *j, int what, int64_t value)
{
	ASSERT(j->limits_n < JAIL_LIMITS);
	j->limits[j->limits_n++] = (struct jail_limit){ what, (uint64_t)value };
}

static void
limit_bytes(struct reading *r, const struct yaml *y, struct jail *j, int what)
{
	int64_t v = 0;
	struct err e;

	if (!yaml_bytes(y, &v, &e))
		(void)bad_err(r, &e);
	else if (v < 1 << 20)
		(void)bad(r, y, "must be at least 1MiB");
	else
		limit_add(j, what, v);
}

static void
limit_number(struct reading *r, const struct yaml *y, struct jail *j, int what)
{
	int64_t v = 0;
	struct err e;

	if (!yaml_i64(y, 4, 1 << 20, &v, &e))
		(void)bad_err(r, &e);
	else
		limit_add(j, what, v);
}

static void
memory_read(struct reading *r, struct yaml *y, void *into)
{
	limit_bytes(r, y, into, RLIMIT_AS);
}

static void
file_size_read(struct reading *r, struct yaml *y, void *into)
{
	limit_bytes(r, y, into, RLIMIT_FSIZE);
}

static void
files_read(struct reading *r, struct yaml *y, void *into)
{
	limit_number(r, y, into, RLIMIT_NOFILE);
}

static void
processes_read(struct reading *r, struct yaml *y, void *into)
{
	limit_number(r, y, into, RLIMIT_NPROC);
}

static void
cpu_read(struct reading *r, struct yaml *y, void *into)
{
	int64_t ms = 0;
	struct err e;

	if (!yaml_duration(y, &ms, &e))
		(void)bad_err(r, &e);
	else if (ms < 1000)
		(void)bad(r, y, "must be at least 1s");
	else
		limit_add(into, RLIMIT_CPU, (ms + 999) / 1000);
}

void
jail_limits_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct setting rows[] = { { "memory", 0, memory_read },
		{ "file_size", 0, file_size_read }, { "files", 0, files_read },
		{ "processes", 0, processes_read }, { "cpu", 0, cpu_read }, { NULL, 0, NULL } };

	(void)rows_read(r, y, "rlimits", rows, jail_of(r, into));
}
