/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notes - what a script is told beside its result, because it goes on.
 *
 *	note: line 3: sum: no item has the field 'totl'; the first has city, id, total
 *
 * Lines of printed text, at most NOTES_MAX a run and one a line: a loop that does it a million
 * times stays one.
 */
#include <stdio.h>
#include <string.h>

#include "sandbox/worker/worker.h"

#define NOTES_MAX 3

static struct {
	struct {
		const char *text;
		int line;
	} at[NOTES_MAX];
	int n;
} notes;

/* The first field that was looked for in a text. */
static struct {
	struct place at;
	char name[48];
} missed;

bool
notes_new(lua_State *L, struct place *at)
{
	if (notes.n == NOTES_MAX || !place_now(L, at))
		return false;
	for (int i = 0; i < notes.n; i++)
		if (notes.at[i].text == at->text && notes.at[i].line == at->line)
			return false;
	return true;
}

void
notes_put(const struct place *at, const char *text)
{
	char said[NOTE_BYTES + PLACE_BYTES];
	bool inside = place_in_snippet(at);
	int n;

	notes.at[notes.n].text = at->text;
	notes.at[notes.n++].line = at->line;
	n = snprintf(said, sizeof(said), "note: %s%s%d: %.*s\n", inside ? at->chunk + 1 : "line",
	    inside ? ":" : " ", at->line, NOTE_BYTES, text);
	if (vm.log_bytes + (size_t)n > FRAME_LOG_MAX)
		return;
	vm.log_bytes += (size_t)n;
	wire_send((struct frame_head){ .body_bytes = (uint32_t)n, .type = FRAME_LOG }, said);
}

void
notes_missed(lua_State *L, const char *name)
{
	if (missed.name[0] != '\0' || strlen(name) >= sizeof(missed.name) ||
	    !place_now(L, &missed.at))
		return;
	memcpy(missed.name, name, strlen(name) + 1);
}

void
notes_nothing(void)
{
	char text[sizeof(missed.name) + 80];

	if (missed.name[0] == '\0' || notes.n == NOTES_MAX)
		return;
	(void)snprintf(
	    text, sizeof(text), "a text has no field '%s', and nil is returned", missed.name);
	notes_put(&missed.at, text);
}

int
notes_lua(lua_State *L)
{
	struct place at;

	if (notes_new(L, &at))
		notes_put(&at, luaL_checkstring(L, 1));
	return 0;
}
