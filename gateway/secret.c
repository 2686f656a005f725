/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret - looks a value up where the configuration says it stands.
 *
 * What is not there is no error of the file: it disables one provider or server, and the text names
 * the variable or the path, never a value.  A value with a control character is refused, because it
 * would end a header or an environment entry early.
 */
#include "gateway/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SECRET_BYTES 16384
#define TEXT_BYTES   65536

const char *
path_below(struct arena *a, const char *folder, struct str path)
{
	while (str_starts(path, STR("./"))) {
		path.p += 2;
		path.n -= 2;
	}
	while (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	if (path.n == 0 || str_eq(path, STR(".")))
		return folder[0] == '\0' ? "." : arena_cstr(a, str_of(folder));
	if (path.p[0] == '/' || folder[0] == '\0')
		return arena_cstr(a, path);
	return arena_printf(a, "%s/" STR_FMT, folder, STR_ARG(path)).p;
}

static bool
name_ok(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
			(i > 0 && c >= '0' && c <= '9')))
			return false;
	}
	return name.n > 0;
}

/* The value of a variable, or "" when it is not set or empty. */
static struct str
env_get(char *const *env, struct str name)
{
	for (; env != NULL && *env != NULL; env++) {
		struct str one = str_of(*env), key = str_cut(&one, '=');

		if (one.p != NULL && str_eq(key, name))
			return one;
	}
	return STR("");
}

static bool
control_in(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return true;
	return false;
}

static const char *
missing(const struct secrets *s, struct str name, const char *what)
{
	return arena_printf(s->arena, STR_FMT " %s", STR_ARG(name), what).p;
}

static bool
env_value(
    const struct secrets *s, struct str name, struct secret *out, struct str *value, struct err *e)
{
	out->elsewhere = true;
	if (!name_ok(name))
		return err_set(
		    e, ERR_INVALID, "\"" STR_FMT "\" is not the name of a variable", STR_ARG(name));
	*value = env_get(s->env, name);
	if (value->n == 0)
		out->missing = missing(s, name, "is not set");
	else if (value->n > SECRET_BYTES || control_in(*value))
		out->missing = missing(s, name, "has a line break or is too long");
	return true;
}

static bool
file_value(const struct secrets *s, struct str path, struct secret *out, struct err *e)
{
	const char *full;
	char *bytes;
	ssize_t n = -1;
	int fd;

	out->elsewhere = true;
	if (path.n == 0)
		return err_set(e, ERR_INVALID, "\"file:\" needs a path");
	full = path_below(s->arena, s->folder, path);
	fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		out->missing = missing(s, path, "cannot be read");
		return true;
	}
	bytes = arena_alloc(s->arena, SECRET_BYTES + 1);
	n = read(fd, bytes, SECRET_BYTES + 1);
	(void)close(fd);
	while (n > 0 && (bytes[n - 1] == '\n' || bytes[n - 1] == '\r'))
		n--;
	out->value = (struct str){ bytes, n > 0 ? (size_t)n : 0 };
	if (n <= 0)
		out->missing = missing(s, path, "is empty or cannot be read");
	else if (n > SECRET_BYTES || control_in(out->value))
		out->missing = missing(s, path, "has a line break or is too long");
	return true;
}

/* "Bearer {env:TOKEN}": everything else is literal. */
static bool
text_value(const struct secrets *s, struct str text, struct secret *out, struct err *e)
{
	struct buf all;
	bool ok = true;

	buf_init(&all, TEXT_BYTES);
	while (ok && text.n > 0) {
		struct str value = { text.p, 1 }, name;
		size_t used = 1;

		if (str_starts(text, STR("{env:"))) {
			const char *end = memchr(text.p, '}', text.n);

			if (end == NULL) {
				ok = err_set(e, ERR_INVALID, "{env: without }");
				break;
			}
			name = STR_SPAN(text.p + 5, end);
			ok = env_value(s, name, out, &value, e);
			used = (size_t)(end + 1 - text.p);
		}
		buf_put(&all, value);
		text.p += used;
		text.n -= used;
	}
	if (ok && !buf_ok(&all))
		ok = err_set(e, ERR_INVALID, "the value is longer than %d bytes", TEXT_BYTES);
	if (ok)
		out->value = arena_str(s->arena, buf_str(&all));
	buf_fini(&all);
	return ok;
}

bool
secret_expand(const struct secrets *s, struct str text, struct secret *out, struct err *e)
{
	bool ok;

	*out = (struct secret){ .value = STR("") };
	if (control_in(text))
		return err_set(e, ERR_INVALID, "the value has a line break or control character");
	if (str_starts(text, STR("env:"))) {
		struct str value = STR(""), name = { text.p + 4, text.n - 4 };

		ok = env_value(s, name, out, &value, e);
		out->value = arena_str(s->arena, value);
	} else if (str_starts(text, STR("file:"))) {
		ok = file_value(s, (struct str){ text.p + 5, text.n - 5 }, out, e);
	} else {
		ok = text_value(s, text, out, e);
	}
	if (!ok || out->missing != NULL)
		out->value = STR("");
	return ok;
}

bool
secret_named(struct str name)
{
	static const struct str words[] = { STR("key"), STR("token"), STR("secret"),
		STR("password"), STR("authorization"), STR("cookie"), STR("credential") };

	for (size_t w = 0; w < COUNT(words); w++)
		for (size_t i = 0; i + words[w].n <= name.n; i++)
			if (str_ieq((struct str){ name.p + i, words[w].n }, words[w]))
				return true;
	return false;
}
