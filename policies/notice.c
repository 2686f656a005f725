/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notice - inotify over the folder of the policies.
 *
 *   an event --settle--> all watches made anew --> fn
 *
 * Editors write beside a file and rename it over, git and configuration managers change many files
 * and folders one after another, Kubernetes moves a link.  So nothing is concluded from a single
 * event: when it has been quiet for a moment, every folder that is there now is watched anew, and
 * then fn reads everything.  That order loses nothing: what changes after the folders were listed
 * is seen by the new watches.  It also makes an overflow of the kernel's queue the same as any
 * other change.
 *
 * A folder that is gone, or a limit of the kernel (fs.inotify.max_user_watches), is said once in
 * the log and tried again every few seconds; SIGHUP and `tollgate reload` work all the time.
 */
#include "policies/notice.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"
#include "base/log.h"

#define FOLDERS_MAX 4096 /* as many as a bundle has at most */
#define DEPTH_MAX   16
#define WATCHES_MAX (FOLDERS_MAX + 16) /* numbers of one inotify begin at 1 */
#define READ_BYTES  16384
#define EVENTS                                                                                     \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF |   \
	    IN_MOVE_SELF | IN_EXCL_UNLINK)

struct notice {
	struct loop *loop;
	struct folder folder; /* while watches are made */
	char *dir, **files;
	size_t files_n;
	notice_f *fn;
	void *ctx;
	int fd; /* -1: none could be made */
	struct watch *watch;
	struct timer settle, retry;
	int64_t first_ms;        /* of what has not been told yet; 0: nothing */
	uint8_t is[WATCHES_MAX]; /* by number of the watch: ABOVE, INSIDE */
	bool failing;            /* said in the log */
};
#define ABOVE  1 /* one name in it counts */
#define INSIDE 2

/* ---- making the watches ---- */

/* The folder that holds a path: "a/b" of "a/b/c". */
static void
parent_put(struct buf *out, const char *path)
{
	const char *slash = strrchr(path, '/');

	buf_puts(out, slash == NULL ? "." : slash == path ? "/" : "");
	if (slash != NULL && slash != path)
		buf_put(out, STR_SPAN(path, slash));
}

static bool
add(struct notice *n, const char *path, uint8_t is)
{
	int wd = inotify_add_watch(n->fd, path, EVENTS | IN_ONLYDIR);

	if (wd >= WATCHES_MAX) {
		errno = ENOSPC;
		return false;
	}
	if (wd >= 0)
		n->is[wd] |= is; /* two paths may be one folder */
	return wd >= 0;
}

/* One of ours: what a link leads out to is not read (walk.c), so nothing in it matters. */
static bool
is_folder(const struct notice *n, const char *path)
{
	struct buf real;
	struct stat st;
	struct err e;
	bool is;
	int fd;

	buf_init(&real, 0);
	fd = folder_find(&n->folder, path + strlen(n->dir) + 1, &real, &e);
	is = fd >= 0 && !folder_outside(&real) && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
	if (fd >= 0)
		(void)close(fd);
	buf_fini(&real);
	return is;
}

static bool add_below(struct notice *n, const char *dir, int depth);

static bool
/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX */
add_entry(struct notice *n, const char *dir, const char *name, int depth)
{
	struct buf path;
	bool ok = true;

	buf_init(&path, 0);
	buf_printf(&path, "%s/%s", dir, name);
	if (depth < DEPTH_MAX && is_folder(n, buf_cstr(&path)))
		ok = add_below(n, buf_cstr(&path), depth + 1);
	buf_fini(&path);
	return ok;
}

static bool
/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX */
add_below(struct notice *n, const char *dir, int depth)
{
	DIR *d;
	struct dirent *f;
	bool ok;

	if (!add(n, dir, INSIDE))
		return false;
	d = opendir(dir);
	ok = d != NULL;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc's readdir is safe on its own handle */
	while (ok && (f = readdir(d)) != NULL)
		ok = f->d_name[0] == '.' || f->d_type == DT_REG ||
		     add_entry(n, dir, f->d_name, depth);
	if (d != NULL)
		(void)closedir(d);
	return ok;
}

static void on_events(void *ctx, int events);

/* All of them anew; false with errno. */
static bool
watch_all(struct notice *n)
{
	struct buf above;
	struct err e;
	bool ok;
	int why;

	watch_free(&n->watch);
	if (n->fd >= 0)
		(void)close(n->fd);
	memset(n->is, 0, sizeof(n->is));
	n->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (n->fd < 0)
		return false;
	/* Above it: the folder itself may be replaced, and is often a link. */
	buf_init(&above, 0);
	parent_put(&above, n->dir);
	ok = add(n, buf_cstr(&above), ABOVE) && folder_open(&n->folder, n->dir, &e) &&
	     add_below(n, n->dir, 0);
	for (size_t i = 0; ok && i < n->files_n; i++) {
		buf_reset(&above);
		parent_put(&above, n->files[i]);
		ok = add(n, buf_cstr(&above), ABOVE);
	}
	why = errno;
	folder_close(&n->folder);
	buf_fini(&above);
	n->watch = watch_new(n->loop, n->fd, on_events, n);
	watch_set(n->watch, WATCH_READ);
	errno = why;
	return ok;
}

static void on_retry(void *ctx);

static void
watch_try(struct notice *n)
{
	bool ok = watch_all(n);

	if (!ok && !n->failing)
		log_warn(NULL,
		    "changes of the policy files are not noticed (tollgate reload reads them)",
		    F_STR("dir", str_of(n->dir)), F_STR("why", str_of(strerrorname_np(errno))));
	if (ok && n->failing)
		log_info(NULL, "changes of the policy files are noticed again",
		    F_STR("dir", str_of(n->dir)));
	n->failing = !ok;
	if (!ok)
		timer_set(n->loop, &n->retry, NOTICE_RETRY_MS, on_retry, n);
}

/* What came meanwhile was not seen: told as a change once it can be seen again. */
static void
on_retry(void *ctx)
{
	struct notice *n = ctx;

	watch_try(n);
	if (!n->failing)
		n->fn(n->ctx);
}

static void
on_settled(void *ctx)
{
	struct notice *n = ctx;

	n->first_ms = 0;
	timer_stop(&n->retry);
	watch_try(n);
	n->fn(n->ctx);
}

/* ---- events ---- */

static void
changed(struct notice *n)
{
	int64_t now = loop_mono_ms(n->loop), left;

	if (n->first_ms == 0)
		n->first_ms = now;
	left = n->first_ms + NOTICE_LATEST_MS - now;
	timer_set(n->loop, &n->settle,
	    left < 0                  ? 0
	    : left < NOTICE_SETTLE_MS ? left
				      : NOTICE_SETTLE_MS,
	    on_settled, n);
}

static bool
last_part_is(const char *path, struct str name)
{
	const char *slash = strrchr(path, '/');

	return str_eq(str_of(slash == NULL ? path : slash + 1), name);
}

/* The folder itself, or a file that is watched beside it. */
static bool
named(const struct notice *n, struct str name)
{
	if (last_part_is(n->dir, name))
		return true;
	for (size_t i = 0; i < n->files_n; i++)
		if (last_part_is(n->files[i], name))
			return true;
	return false;
}

/* Is it about something that is read?  Editors' own files are not; "..data" is Kubernetes' link. */
static bool
matters(const struct notice *n, const struct inotify_event *ev)
{
	struct str name = str_of(ev->len > 0 ? ev->name : "");
	uint8_t is = ev->wd > 0 && ev->wd < WATCHES_MAX ? n->is[ev->wd] : 0;

	if (ev->mask & IN_IGNORED)
		return false; /* its end was told by another event */
	if (ev->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT))
		return true;
	if (is & ABOVE && named(n, name))
		return true;
	if (!(is & INSIDE) || str_eq(name, STR("tollgate.yaml")))
		return false;
	if (str_eq(name, STR("..data")))
		return true;
	if (name.n == 0 || name.p[0] == '.')
		return false;
	/* A folder, or a link to one. */
	return ev->mask & IN_ISDIR || str_ends(name, STR(".yaml")) || str_ends(name, STR(".yml")) ||
	       str_ends(name, STR(".lua")) || (!(ev->mask & IN_CLOSE_WRITE) && !str_has(name, '.'));
}

static void
on_events(void *ctx, int events)
{
	struct notice *n = ctx;
	union {
		struct inotify_event first;
		char bytes[READ_BYTES];
	} u;
	bool any = false;
	ssize_t got;

	(void)events;
	while ((got = read(n->fd, u.bytes, sizeof(u.bytes))) > 0)
		for (ssize_t at = 0; at < got;) {
			struct inotify_event ev;

			memcpy(&ev, u.bytes + at, sizeof(ev));
			any = any || matters(n, (const void *)(u.bytes + at));
			at += (ssize_t)(sizeof(ev) + ev.len);
		}
	if (any)
		changed(n);
}

/* ---- life ---- */

struct notice *
notice_new(struct loop *l, const char *dir, const char *const *files, size_t files_n, notice_f *fn,
    void *ctx)
{
	struct notice *n = mem_zalloc(sizeof(*n));

	n->loop = l;
	n->dir = mem_strdup(dir);
	while (n->dir[0] != '\0' && n->dir[1] != '\0' && n->dir[strlen(n->dir) - 1] == '/')
		n->dir[strlen(n->dir) - 1] = '\0';
	/* "policies: ." is a path that ends so. */
	if (str_ends(str_of(n->dir), STR("/.")))
		n->dir[strlen(n->dir) - 2] = '\0';
	n->files = mem_zalloc((files_n + 1) * sizeof(char *));
	for (size_t i = 0; i < files_n; i++)
		n->files[n->files_n++] = mem_strdup(files[i]);
	n->fn = fn;
	n->ctx = ctx;
	n->fd = n->folder.fd = -1;
	watch_try(n);
	return n;
}

void
notice_free(struct notice **np)
{
	struct notice *n = *np;

	if (n == NULL)
		return;
	*np = NULL;
	timer_stop(&n->settle);
	timer_stop(&n->retry);
	watch_free(&n->watch);
	if (n->fd >= 0)
		(void)close(n->fd);
	for (size_t i = 0; i < n->files_n; i++)
		free(n->files[i]);
	free(n->files);
	free(n->dir);
	free(n);
}
