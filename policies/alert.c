/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert - tells that a budget is used up so far, once for each threshold and period.
 *
 * Looked at when a pass has been settled: what is held does not count, it may come back.  Of
 * several thresholds that are passed at once the highest is told.  What was told is a note in the
 * database, written with its audit row before anybody hears of it, so a restart tells nothing
 * again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "policies/core.h"

#define PREFIX     "alert "
#define NAME_BYTES 400

/* The highest threshold that is reached; 0: none. */
static int
reached(const struct alerts *t, int64_t used, int64_t room)
{
	int most = 0;

	for (size_t i = 0; i < t->n; i++)
		if ((__int128)used * 100 >= (__int128)room * t->at[i] && t->at[i] > most)
			most = t->at[i];
	return most;
}

static void
members_put(struct buf *out, const struct level *l, const struct budget *b, const struct account *a,
    int percent)
{
	int i = (int)b->period - 1;

	buf_puts(out, "\"level\":");
	buf_json_str(out, l->id);
	buf_printf(out,
	    ",\"period\":\"%s\",\"percent\":%d,\"used_nusd\":%lld,\"limit_nusd\":%lld,"
	    "\"resets_at_s\":%lld,\"contact\":",
	    period_word(b->period), percent, (long long)a->used_nusd[i],
	    (long long)room_of(b, granted_nusd(a)), (long long)a->end_s[i]);
	buf_json_str(out, l->contact);
}

static void
tell(struct core *c, const struct level *l, const struct budget *b, struct account *a, int percent)
{
	int i = (int)b->period - 1;
	struct buf name, value, row, data;

	a->told[i] = percent;
	a->told_start_s[i] = a->start_s[i];
	buf_init(&name, NAME_BYTES);
	buf_init(&value, 0);
	buf_init(&row, 0);
	buf_init(&data, 0);
	buf_printf(&name, PREFIX STR_FMT " %s", STR_ARG(l->id), period_word(b->period));
	buf_printf(&value, "%lld %d", (long long)a->start_s[i], percent);
	buf_putc(&row, ',');
	members_put(&row, l, b, a, percent);
	buf_putc(&data, '{');
	members_put(&data, l, b, a, percent);
	buf_putc(&data, '}');
	event_remember(c, STR("gateway"), "budget.alert",
	    &(struct note_row){ buf_str(&name), buf_str(&value) }, buf_str(&row));
	if (l->alerts.log)
		log_warn(NULL, "budget alert", F_STR("level", l->id),
		    F_TEXT("period", period_word(b->period)), F_INT("percent", percent));
	if (l->alerts.webhook && c->alert != NULL)
		c->alert(c->alert_ctx, "budget.alert", buf_str(&data));
	buf_fini(&name);
	buf_fini(&value);
	buf_fini(&row);
	buf_fini(&data);
}

void
alerts_look(struct core *c, const struct key *k)
{
	struct chain payers;

	key_chain(k, &payers);
	for (size_t n = 0; n < payers.n; n++) {
		const struct level *l = payers.level[n];
		struct account *a = l->alerts.n == 0 ? NULL : account_get(c, l->id);

		for (size_t b = 0; a != NULL && b < l->budgets_n; b++) {
			int i = (int)l->budgets[b].period - 1, percent;
			int told = a->told_start_s[i] == a->start_s[i] ? a->told[i] : 0;

			percent = reached(
			    &l->alerts, a->used_nusd[i], room_of(&l->budgets[b], granted_nusd(a)));
			if (percent > told)
				tell(c, l, &l->budgets[b], a, percent);
		}
	}
}

/* "alert acme/payments month" -> "1785542400 80" */
void
alert_recall(struct core *c, const struct note_row *r)
{
	struct str rest = r->value, start = str_cut(&rest, ' '), level = r->name, word = STR("");
	enum period p;
	int64_t start_s, percent;
	struct account *a;

	if (!str_starts(r->name, STR(PREFIX)))
		return;
	level.p += sizeof(PREFIX) - 1;
	level.n -= sizeof(PREFIX) - 1;
	for (size_t i = level.n; i > 0 && word.n == 0; i--)
		if (level.p[i - 1] == ' ') {
			word = (struct str){ level.p + i, level.n - i };
			level.n = i - 1;
		}
	if (!period_read(word, &p) || rest.p == NULL || !str_i64(start, &start_s) ||
	    !str_i64(rest, &percent) || percent < 0 || percent > ALERT_PERCENT_MAX)
		return;
	a = account_get(c, level);
	a->told[p - 1] = (int)percent;
	a->told_start_s[p - 1] = start_s;
}

void
core_on_alert(struct core *c, void (*fn)(void *ctx, const char *event, struct str json), void *ctx)
{
	IS(c, CORE_MAGIC);
	c->alert = fn;
	c->alert_ctx = ctx;
}
