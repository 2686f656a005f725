/* SPDX-License-Identifier: Apache-2.0 */
/*
 * problem - what is wrong with the policy files: collected, not only the first.
 *
 * One line each, "file:line:col: what (the fix)"; the list is bounded by its buf, the first error
 * is kept apart because it is what a failed start says.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policies/bundle.h"

#define LINE_BYTES 1024

static void
report(struct problems *p, bool is_error, const char *file, int line, int column, const char *text)
{
	char where[64] = "", whole[LINE_BYTES];
	const char *mark = is_error ? "" : "warning: ";

	if (line > 0)
		(void)snprintf(where, sizeof(where), "%d:%d:", line, column);
	(void)snprintf(whole, sizeof(whole), "%s:%s %s%s", file, where, mark, text);
	if (p->out != NULL)
		buf_printf(p->out, "%s\n", whole);
	if (!is_error)
		return;
	if (p->errors++ == 0)
		(void)err_set(p->first, ERR_INVALID, "%s", whole);
}

#define REPORT(p, is_error, file, line, column, fmt)                                               \
	do {                                                                                       \
		char text_[LINE_BYTES];                                                            \
		va_list ap_;                                                                       \
		va_start(ap_, fmt);                                                                \
		(void)vsnprintf(text_, sizeof(text_), fmt, ap_);                                   \
		va_end(ap_);                                                                       \
		report((p), (is_error), (file), (line), (column), text_);                          \
	} while (0)

void
problem_at(struct problems *p, const char *file, int line, int column, const char *fmt, ...)
{
	REPORT(p, true, file, line, column, fmt);
}

void
problem(struct problems *p, const struct yaml *y, const char *fmt, ...)
{
	REPORT(p, true, y->file, y->line, y->column, fmt);
}

void
problem_key(struct problems *p, const struct yaml *y, const char *fmt, ...)
{
	REPORT(p, true, y->file, y->key_line, y->key_column, fmt);
}

void
warning(struct problems *p, const struct yaml *y, const char *fmt, ...)
{
	REPORT(p, false, y->file, y->line, y->column, fmt);
}

void
problem_err(struct problems *p, const struct err *e)
{
	if (p->out != NULL)
		buf_printf(p->out, "%s\n", e->text);
	if (p->errors++ == 0)
		*p->first = *e;
	p->first->code = ERR_INVALID;
}

void
problems_sum(struct problems *p)
{
	char more[64] = "";
	size_t n = strlen(p->first->text), m;

	if (p->errors < 2)
		return;
	m = (size_t)snprintf(more, sizeof(more), " (and %zu more problem%s)", p->errors - 1,
	    p->errors == 2 ? "" : "s");
	if (n + m >= sizeof(p->first->text))
		n = sizeof(p->first->text) - 1 - m;
	memcpy(p->first->text + n, more, m + 1);
}

const char *
hint(char out[HINT_BYTES], struct str wanted, const struct str *names, size_t n)
{
	struct str near = str_nearest(wanted, names, n);

	out[0] = '\0';
	if (near.n > 0)
		(void)snprintf(out, HINT_BYTES, " (did you mean \"" STR_FMT "\"?)", STR_ARG(near));
	return out;
}

static bool
listed(const char *const *names, struct str key)
{
	for (; *names != NULL; names++)
		if (str_eq(str_of(*names), key))
			return true;
	return false;
}

#define KEYS_MAX 48

bool
keys_check(struct problems *p, struct yaml *y, const struct key_table *t)
{
	struct str names[KEYS_MAX];
	char near[HINT_BYTES];
	size_t n = 0;

	if (y->kind != YAML_MAP) {
		problem(p, y, "%s is a mapping (key: value)", t->what);
		return false;
	}
	for (const char *const *k = t->known; *k != NULL && n < KEYS_MAX; k++)
		names[n++] = str_of(*k);
	for (struct yaml *m = y->kids; m != NULL; m = m->next) {
		if (listed(t->known, m->key))
			continue;
		if (listed(t->later, m->key))
			problem_key(p, m, "'" STR_FMT "' is not supported yet (remove it)",
			    STR_ARG(m->key));
		else
			problem_key(p, m, "unknown key \"" STR_FMT "\" in %s%s", STR_ARG(m->key),
			    t->what, hint(near, m->key, names, n));
	}
	return true;
}

bool
text_get(struct problems *p, const struct yaml *y, const char *what, size_t max, struct str *out)
{
	*out = STR("");
	if (y->kind != YAML_SCALAR || y->text.n == 0) {
		problem(p, y, "%s is a text", what);
		return false;
	}
	if (y->text.n > max) {
		problem(p, y, "%s is longer than %zu bytes", what, max);
		return false;
	}
	for (size_t i = 0; i < y->text.n; i++) {
		unsigned char c = (unsigned char)y->text.p[i];

		if (c < ' ' || c == 0x7f) {
			problem(p, y, "%s has a line break or control character", what);
			return false;
		}
	}
	*out = y->text;
	return true;
}

static bool
letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool
name_get(struct problems *p, const struct yaml *y, struct str name, const char *what)
{
	bool ok = name.n > 0 && name.n <= BUNDLE_NAME_BYTES && letter_or_digit(name.p[0]);

	for (size_t i = 0; ok && i < name.n; i++)
		ok = letter_or_digit(name.p[i]) || str_has(STR("._@+-"), name.p[i]);
	if (!ok)
		problem(p, y,
		    "%s is 1 to %d letters, digits and . _ @ + -, and starts with a letter or "
		    "digit",
		    what, BUNDLE_NAME_BYTES);
	return ok;
}
