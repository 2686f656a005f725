/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockfile - mcp.lock is changed, printed and written.
 *
 * What is written is read again by lock.c as the same lock; a tool that did not change is printed
 * as it was, so that a diff shows what somebody approved and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/json_form.h"
#include "mcp/lock_private.h"

/* ---- what is hashed ---- */

struct str
lock_digest(struct arena *a, struct str definition, struct str source)
{
	static const struct str parts[] = { STR("annotations"), STR("description"),
		STR("inputSchema"), STR("name"), STR("outputSchema"), STR("title") };
	struct buf whole, form, hex;
	struct sha256 h;
	struct str v, out;

	buf_init(&whole, 0);
	buf_init(&form, 0);
	buf_init(&hex, 0);
	buf_puts(&whole, "{\"source\":");
	buf_json_str(&whole, source);
	for (size_t i = 0; i < COUNT(parts); i++) {
		if (!json_get(definition, parts[i], &v))
			continue;
		buf_printf(&whole, ",\"" STR_FMT "\":", STR_ARG(parts[i]));
		buf_put(&whole, v);
	}
	buf_putc(&whole, '}');
	json_canonical(&form, buf_str(&whole));
	sha256(&h, buf_str(&form));
	buf_hex(&hex, h.b, sizeof(h.b));
	out = arena_str(a, buf_str(&hex));
	buf_fini(&whole);
	buf_fini(&form);
	buf_fini(&hex);
	return out;
}

/* ---- changing it ---- */

static bool
hint_is(struct str definition, const char *name, bool wanted)
{
	struct str annotations, v;
	bool on;

	return json_get(definition, STR("annotations"), &annotations) &&
	       json_get(annotations, str_of(name), &v) && json_bool(v, &on) && on == wanted;
}

/* Only what a server says itself: what it leaves out is for a person to add. */
static void
labels_seed(struct lock *l, struct locked *k)
{
	bool reads = hint_is(k->definition, "readOnlyHint", true);

	k->labels = arena_zalloc(&l->arena, LOCK_WORDS_MAX * sizeof(*k->labels));
	if (reads && hint_is(k->definition, "openWorldHint", false))
		k->labels[k->labels_n++] = STR("private");
	if (hint_is(k->definition, "openWorldHint", true)) {
		k->labels[k->labels_n++] = STR("untrusted");
		k->labels[k->labels_n++] = STR("egress");
	}
	if (!reads && hint_is(k->definition, "destructiveHint", true))
		k->labels[k->labels_n++] = STR("destructive");
}

void
lock_put(struct lock *l, const struct lock_seen *s, struct str by, struct str now)
{
	struct locked *k = mem_unconst(lock_find(l, s->name));
	bool new = k == NULL;
	struct str rest;

	if (new)
		k = lock_room(l);
	ASSERT(k != NULL); /* who asks has looked at lock_count() */
	if (new) {
		k->name = arena_str(&l->arena, s->name);
		rest = k->name;
		k->server = str_cut(&rest, '/');
		k->tool = rest;
		k->first_seen = arena_str(&l->arena, now);
	}
	k->source = arena_str(&l->arena, s->source);
	k->definition = arena_str(&l->arena, s->definition);
	k->sha256 = lock_digest(&l->arena, k->definition, k->source);
	k->approved = arena_str(&l->arena, now);
	k->approved_by = arena_str(&l->arena, by);
	locked_hints(k);
	if (!new)
		return;
	labels_seed(l, k);
	lock_sort(l);
}

bool
lock_drop(struct lock *l, struct str name)
{
	struct locked *k = mem_unconst(lock_find(l, name));

	if (k == NULL)
		return false;
	for (struct locked *end = l->at + --l->n; k < end; k++)
		k[0] = k[1];
	return true;
}

/* ---- the text ---- */

static void
text_put(struct buf *out, const char *name, struct str text)
{
	if (text.n == 0)
		return;
	buf_printf(out, "      \"%s\": ", name);
	json_pretty_str(out, text);
	buf_puts(out, ",\n");
}

static void
words_put(struct buf *out, const char *name, const struct str *words, size_t n)
{
	if (n == 0)
		return;
	buf_printf(out, "      \"%s\": [", name);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_puts(out, ", ");
		json_pretty_str(out, words[i]);
	}
	buf_puts(out, "],\n");
}

void
lock_print(const struct lock *l, struct buf *out)
{
	buf_puts(out, "{\n  \"version\": 1,\n  \"tools\": {");
	for (size_t i = 0; i < l->n; i++) {
		const struct locked *k = &l->at[i];

		buf_puts(out, i > 0 ? ",\n    " : "\n    ");
		json_pretty_str(out, k->name);
		buf_puts(out, ": {\n");
		text_put(out, "sha256", k->sha256);
		buf_puts(out, "      \"source\": ");
		json_pretty_str(out, k->source);
		buf_puts(out, ",\n");
		text_put(out, "first_seen", k->first_seen);
		text_put(out, "approved", k->approved);
		text_put(out, "approved_by", k->approved_by);
		text_put(out, "alias", k->alias);
		words_put(out, "tags", k->tags, k->tags_n);
		words_put(out, "labels", k->labels, k->labels_n);
		buf_puts(out, "      \"definition\": ");
		json_pretty(out, k->definition, 3);
		buf_puts(out, "\n    }");
	}
	buf_puts(out, l->n > 0 ? "\n  }\n}\n" : "}\n}\n");
}

static bool
whole_write(int fd, struct str text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text = (struct str){ text.p + n, text.n - (size_t)n };
	}
	return fsync(fd) == 0;
}

bool
lock_write(const struct lock *l, const char *path, struct err *e)
{
	char tmp[4200];
	struct stat st;
	struct buf out;
	int fd = -1;
	bool ok;

	buf_init(&out, LOCK_BYTES_MAX);
	lock_print(l, &out);
	if (!buf_ok(&out) || snprintf(tmp, sizeof(tmp), "%s.tmp", path) >= (int)sizeof(tmp)) {
		buf_fini(&out);
		return err_set(e, ERR_TOO_LARGE, "%s: would be larger than %zu MiB", path,
		    LOCK_BYTES_MAX >> 20);
	}
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	ok = fd >= 0 && (stat(path, &st) != 0 || fchmod(fd, st.st_mode & 0777) == 0) &&
	     whole_write(fd, buf_str(&out));
	if (fd >= 0)
		ok = close(fd) == 0 && ok;
	ok = ok && rename(tmp, path) == 0;
	if (!ok) {
		(void)err_set(e, ERR_INVALID, "%s: cannot be written: %m", path);
		if (fd >= 0)
			(void)unlink(tmp);
	}
	buf_fini(&out);
	return ok;
}
