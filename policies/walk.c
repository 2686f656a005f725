/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk - which files a folder of policies has, and their texts.
 *
 * The path is the authority, so a symbolic link must not change whose words it is that are read: it
 * may lead to what is in the same folder of policies and of the same or a wider authority (a team's
 * file may be one of root/).  One that leads out of the folder, or to what somebody with less
 * authority may change, is refused by name, whether it is a file or a folder.
 */
#include "policies/walk.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- paths ---- */

static void
path_add(struct paths *ps, struct str path)
{
	if (ps->n == ps->cap) {
		ps->cap = ps->cap == 0 ? 32 : ps->cap * 2;
		ps->at = mem_realloc(ps->at, ps->cap * sizeof(*ps->at));
	}
	ps->at[ps->n++] = (struct str){ str_dup(path), path.n };
}

void
paths_free(struct paths *ps)
{
	for (size_t i = 0; i < ps->n; i++)
		/* NOLINTNEXTLINE(performance-no-int-to-ptr): these were allocated here */
		free((void *)(uintptr_t)ps->at[i].p);
	MEM_FREE(&ps->at);
}

/* root/…, customers/C/…, customers/C/teams/T/…; anything else has no authority at all. */
bool
path_authority(struct str path, struct str *customer, struct str *team)
{
	struct str rest = path, part = str_cut(&rest, '/');

	*customer = *team = STR("");
	if (rest.p == NULL)
		return false;
	if (str_eq(part, STR("root")))
		return true;
	if (!str_eq(part, STR("customers")))
		return false;
	*customer = str_cut(&rest, '/');
	if (rest.p == NULL)
		return false; /* customers/x.yaml */
	part = str_cut(&rest, '/');
	if (!str_eq(part, STR("teams")) || rest.p == NULL)
		return true;
	part = str_cut(&rest, '/');
	if (rest.p != NULL)
		*team = part;
	return true;
}

/* ---- links ---- */

/* Without the folders that are not ours: "..2026_01/root/a.yaml" is root's. */
static void
visible_put(struct str real, struct buf *out)
{
	while (real.n > 0) {
		struct str part = str_cut(&real, '/');

		if (part.n > 0 && part.p[0] == '.')
			continue;
		buf_puts(out, out->n > 0 ? "/" : "");
		buf_put(out, part);
	}
}

/* May whoever changes what is at `real` speak for `rel`?  Both are of files. */
static bool
authority_holds(struct str real, struct str rel)
{
	struct str customer, team, mine, my_team;

	if (!path_authority(rel, &mine, &my_team))
		return true; /* nothing is read there */
	if (!path_authority(real, &customer, &team))
		return !str_has(real, '/'); /* of the folder of policies itself */
	return customer.n == 0 ||
	       (str_eq(customer, mine) && (team.n == 0 || str_eq(team, my_team)));
}

/* Is what stands at rel allowed to be where it is?  is_folder: then for what is in it. */
static bool
link_check(struct str rel, struct buf *real, bool is_folder, struct err *e)
{
	struct buf from, to;
	bool ok;

	if (folder_outside(real))
		return err_set(e, ERR_INVALID,
		    "is a symbolic link that leads out of the policies, to " STR_FMT
		    " (put a copy here)",
		    STR_ARG(buf_str(real)));
	if (str_eq(rel, buf_str(real)))
		return true;
	buf_init(&from, 0);
	buf_init(&to, 0);
	buf_put(&from, rel);
	visible_put(buf_str(real), &to);
	buf_puts(&from, is_folder ? "/x" : "");
	buf_puts(&to, !is_folder ? "" : to.n > 0 ? "/x" : "x");
	ok = authority_holds(buf_str(&to), buf_str(&from));
	if (!ok)
		(void)err_set(e, ERR_INVALID,
		    "is a symbolic link to " STR_FMT
		    ", where others may write than here (the path is the authority; put a copy "
		    "here, or the file here and the link there)",
		    STR_ARG(buf_str(real)));
	buf_fini(&from);
	buf_fini(&to);
	return ok;
}

/* ---- walking ---- */

struct walk {
	struct problems *problems;
	const char *dir;
	const struct folder *folder;
	struct paths folders, *files;
};

/* Scripts elsewhere are somebody's own. */
static bool
is_ours(struct str rel)
{
	return str_starts(rel, STR("root/")) || str_starts(rel, STR("customers/"));
}

static void
say(struct walk *w, struct str rel, const char *what)
{
	struct buf full;

	buf_init(&full, 0);
	buf_printf(&full, "%s/" STR_FMT, w->dir, STR_ARG(rel));
	problem_at(w->problems, buf_cstr(&full), 0, 0, "%s", what);
	buf_fini(&full);
}

/* One folder's entry: a file to keep, a folder to enter later, or nothing. */
static void
entry_add(struct walk *w, const char *path)
{
	struct str rel = str_of(path);
	struct buf real;
	struct stat st;
	struct err e;
	int fd;

	buf_init(&real, 0);
	fd = folder_find(w->folder, path, &real, &e);
	if (fd < 0 || fstat(fd, &st) != 0) {
		say(w, rel, fd < 0 ? e.text : "cannot be read");
	} else if (S_ISDIR(st.st_mode)) {
		if (link_check(rel, &real, true, &e))
			path_add(&w->folders, rel);
		else
			say(w, rel, e.text);
	} else if (str_ends(rel, STR(".yml"))) {
		say(w, rel, "policy files end in .yaml (rename it)");
	} else if ((str_ends(rel, STR(".yaml")) && !str_eq(rel, STR("tollgate.yaml"))) ||
		   (str_ends(rel, STR(".lua")) && is_ours(rel))) {
		path_add(w->files, rel);
	}
	if (fd >= 0)
		(void)close(fd);
	buf_fini(&real);
}

/* NULL: *e.  What has been found is what is listed, whatever the path is by now. */
static DIR *
list_open(const struct folder *f, struct str rel, struct err *e)
{
	struct buf real;
	DIR *d = NULL;
	int fd, list = -1;

	buf_init(&real, 0);
	fd = folder_find(f, rel.p, &real, e);
	if (fd >= 0 && (rel.n == 0 || link_check(rel, &real, true, e))) {
		list = folder_reopen(fd);
		d = list < 0 ? NULL : fdopendir(list);
		if (d == NULL)
			(void)err_set(e, ERR_INVALID, "cannot be read: %m");
		if (d == NULL && list >= 0)
			(void)close(list);
	}
	if (fd >= 0)
		(void)close(fd);
	buf_fini(&real);
	return d;
}

static void
folder_read(struct walk *w, struct str rel)
{
	struct buf path;
	struct dirent *d;
	struct err e;
	DIR *handle = list_open(w->folder, rel, &e);

	if (handle == NULL) {
		say(w, rel, e.text);
		return;
	}
	buf_init(&path, 0);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc's readdir is safe on its own handle */
	while ((d = readdir(handle)) != NULL && w->files->n <= BUNDLE_FILES_MAX) {
		if (d->d_name[0] == '.')
			continue;
		buf_reset(&path);
		if (rel.n > 0)
			buf_printf(&path, STR_FMT "/", STR_ARG(rel));
		buf_puts(&path, d->d_name);
		entry_add(w, buf_cstr(&path));
	}
	(void)closedir(handle);
	buf_fini(&path);
}

static size_t
path_depth(struct str rel)
{
	size_t n = 0;

	for (size_t i = 0; i < rel.n; i++)
		n += rel.p[i] == '/';
	return n;
}

void
walk(struct problems *p, const char *dir, const struct folder *f, struct paths *files)
{
	struct walk w = { .problems = p, .dir = dir, .folder = f, .files = files };

	path_add(&w.folders, STR(""));
	for (size_t i = 0; i < w.folders.n && i <= BUNDLE_FILES_MAX; i++) {
		if (path_depth(w.folders.at[i]) < BUNDLE_DEPTH_MAX)
			folder_read(&w, w.folders.at[i]);
		else
			problem_at(p, w.folders.at[i].p, 0, 0,
			    "folders are nested more than %d deep", BUNDLE_DEPTH_MAX);
	}
	if (files->n > BUNDLE_FILES_MAX || w.folders.n > BUNDLE_FILES_MAX)
		problem_at(p, dir, 0, 0, "holds more than %d files or folders", BUNDLE_FILES_MAX);
	if (files->n > 0)
		qsort(files->at, files->n, sizeof(*files->at), str_order);
	paths_free(&w.folders);
}

/* ---- one file ---- */

bool
walk_read(const struct folder *f, const char *rel, struct buf *out, struct err *e)
{
	struct buf real;
	struct stat st;
	bool ok;
	int fd;

	buf_init(&real, 0);
	fd = folder_find(f, rel, &real, e);
	ok = fd >= 0 && link_check(str_of(rel), &real, false, e);
	if (ok && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)))
		ok = err_set(e, ERR_INVALID, "is not a plain file");
	ok = ok && file_read_fd(folder_reopen(fd), BUNDLE_FILE_BYTES, out, e);
	if (fd >= 0)
		(void)close(fd);
	buf_fini(&real);
	return ok;
}
