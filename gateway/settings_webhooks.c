/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings_webhooks - `webhooks:`, the one URL that is told of alerts and questions (webhook.h).
 *
 * Without a secret nothing is sent: what a receiver cannot check, anybody could send.
 */
#include "base/url.h"
#include "gateway/settings_read.h"

#define SECRET_MIN 16

static void
hook_url_read(struct reading *r, struct yaml *y, void *into)
{
	struct webhook_settings *w = into;
	const char *missing = NULL;
	struct url u;

	w->url = value_read(r, y, false, &missing);
	if (missing != NULL)
		w->missing = missing;
	else if (!url_parse(w->url, &u) || (!u.https && !url_is_loopback(&u)))
		(void)bad(r, y, "an https URL was expected");
}

static void
hook_secret_read(struct reading *r, struct yaml *y, void *into)
{
	struct webhook_settings *w = into;
	const char *missing = NULL;

	w->secret = value_read(r, y, true, &missing);
	if (missing != NULL)
		w->missing = missing;
	else if (w->secret.n < SECRET_MIN)
		(void)bad(r, y, "a secret has %d characters and more", SECRET_MIN);
}

static void
hook_proxy_read(struct reading *r, struct yaml *y, void *into)
{
	struct webhook_settings *w = into;
	const char *missing = NULL;

	w->proxy = proxy_value(r, y, &missing);
	if (missing != NULL)
		w->missing = missing;
}

void
webhooks_read(struct reading *r, struct yaml *y, void *settings)
{
#define AT(member) offsetof(struct webhook_settings, member)
	static const struct setting rows[] = { { "url", 0, hook_url_read },
		{ "secret", 0, hook_secret_read }, { "ca_file", AT(ca_file), ca_read },
		{ "proxy", 0, hook_proxy_read }, { NULL, 0, NULL } };
#undef AT
	struct webhook_settings *w = &((struct settings *)settings)->webhooks;

	if (!rows_read(r, y, "webhooks", rows, w))
		return;
	if (yaml_get(y, "url") == NULL || yaml_get(y, "secret") == NULL)
		(void)bad(r, y,
		    "webhooks needs url and secret (what is sent is signed with it, like "
		    "env:HOOK_SECRET)");
	else if (w->missing != NULL)
		warn_at(r, y, "the webhook is disabled: %s", w->missing);
}
