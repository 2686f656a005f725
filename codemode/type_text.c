/* SPDX-License-Identifier: Apache-2.0 */
/*
 * type_text - names and values out of schemas, as text in a line of Lua.
 *
 * They come from servers: whatever could end the line or turn it round is left out here, and every
 * cut is at a character.
 */
#include "base/json.h"
#include "codemode/type.h"
#include "mcp/mcp.h"

#define LITERAL_BYTES 64

/* How many bytes of s at i are a character that must not reach a line: controls, line and
 * paragraph separators, marks that turn the direction of what follows. */
static size_t
unprintable(struct str s, size_t i)
{
	unsigned char c = (unsigned char)s.p[i], d, e;

	if (c < ' ' || c == 0x7f)
		return 1;
	if (c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0)
		return 2;
	if (c != 0xe2 || i + 2 >= s.n)
		return 0;
	d = (unsigned char)s.p[i + 1];
	e = (unsigned char)s.p[i + 2];
	return (d == 0x80 && e >= 0xa8 && e <= 0xae) || (d == 0x81 && e >= 0xa6 && e <= 0xa9) ? 3
											      : 0;
}

void
type_put_line(struct buf *out, struct str s, size_t max)
{
	struct str cut = str_clip(s, max);
	bool space = false, any = false;

	for (size_t i = 0; i < cut.n;) {
		size_t skip = cut.p[i] == ' ' ? 1 : unprintable(cut, i);

		if (skip > 0) {
			space = true;
			i += skip;
			continue;
		}
		if (space && any)
			buf_putc(out, ' ');
		space = false;
		any = true;
		buf_putc(out, cut.p[i++]);
	}
	if (cut.n < s.n)
		buf_puts(out, "…");
}

static void
quoted_put(struct buf *out, struct str s)
{
	struct str cut = str_clip(s, LITERAL_BYTES);

	buf_putc(out, '"');
	for (size_t i = 0; i < cut.n; i++) {
		size_t skip = unprintable(cut, i);

		if (cut.p[i] == '\n' || cut.p[i] == '\t') {
			buf_puts(out, cut.p[i] == '\n' ? "\\n" : "\\t");
		} else if (skip > 0) {
			buf_putc(out, '?');
			i += skip - 1;
		} else {
			if (cut.p[i] == '"' || cut.p[i] == '\\')
				buf_putc(out, '\\');
			buf_putc(out, cut.p[i]);
		}
	}
	buf_puts(out, cut.n < s.n ? "…\"" : "\"");
}

void
type_put_literal(struct buf *out, struct str raw)
{
	struct arena a;
	struct str text;

	if (json_kind(raw) == JSON_NULL) {
		buf_puts(out, "null");
		return;
	}
	if (json_kind(raw) != JSON_STRING) {
		type_put_line(out, raw, LITERAL_BYTES);
		return;
	}
	arena_init(&a, raw.n + 1024);
	if (json_string(raw, &a, &text))
		quoted_put(out, text);
	arena_free(&a);
}

void
type_put_key(struct buf *out, struct str key_raw)
{
	struct str name = { key_raw.p + 1, key_raw.n - 2 };

	if (name_is_identifier(name) && name.n <= LITERAL_BYTES) {
		buf_put(out, name);
		return;
	}
	buf_putc(out, '[');
	type_put_literal(out, key_raw);
	buf_putc(out, ']');
}
