/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings_pin - `pin:` of the file and of a server, and what a server's tools are pinned to.
 *
 * Tools are pinned to where their server is: its command or its URL as the file has it, which is
 * the same on every machine that has the file.  What may be a secret is left out of it.
 */
#include "gateway/settings_read.h"

#define SOURCE_BYTES_MAX 1000

void
pin_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct word words[] = { { "strict", PIN_STRICT }, { "warn", PIN_WARN },
		{ "off", PIN_OFF }, { NULL, 0 } };
	int v = PIN_UNSAID;

	if (word_read(r, y, words, &v))
		*(enum mcp_pin *)into = (enum mcp_pin)v;
}

/* --token=x, or x behind --token. */
static void
word_put(struct buf *b, struct str word, bool *secret_next)
{
	struct str rest = word, left = str_cut(&rest, '=');
	bool option = str_starts(word, STR("-"));

	if (b->n > 0)
		buf_putc(b, ' ');
	if (rest.p != NULL && secret_named(left)) {
		buf_put(b, left);
		buf_puts(b, "=…");
	} else if (*secret_next && !option) {
		buf_puts(b, "…");
	} else {
		buf_put(b, word);
	}
	*secret_next = option && rest.p == NULL && secret_named(word);
}

void
source_make(struct reading *r, struct yaml *y, struct server_settings *s)
{
	struct yaml *command = yaml_get(y, "command"), *url = yaml_get(y, "url");
	struct yaml *openapi = yaml_get(y, "openapi");
	bool secret_next = false;
	struct str text;
	struct buf b;

	buf_init(&b, 0);
	for (struct yaml *w = command == NULL ? NULL : command->kids; w != NULL; w = w->next)
		word_put(&b, w->text, &secret_next);
	if (command == NULL && url != NULL) {
		text = url->text;
		buf_put(&b, str_cut(&text, '?'));
	}
	if (openapi != NULL) {
		text = openapi->text;
		buf_puts(&b, " by ");
		buf_put(&b, str_cut(&text, '?'));
	}
	text = buf_str(&b);
	if (text.n > SOURCE_BYTES_MAX) {
		struct sha256 h;
		struct buf hex;

		sha256(&h, text);
		buf_init(&hex, 0);
		buf_hex(&hex, h.b, sizeof(h.b));
		text = str_clip(text, SOURCE_BYTES_MAX / 2);
		s->source =
		    arena_printf(&r->s->arena, STR_FMT "… %s", STR_ARG(text), buf_cstr(&hex)).p;
		buf_fini(&hex);
	} else {
		s->source = arena_cstr(&r->s->arena, text);
	}
	buf_fini(&b);
}
