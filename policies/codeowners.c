/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codeowners - whose folder is whose, as a CODEOWNERS file: the path is the authority, so whoever
 * owns the folder decides what the team may do.
 *
 * A folder's owner is its level's contact, and else the owner that its policies name.  A name that
 * such a file cannot hold ("#channel") is told in a comment: nobody is made up.
 */
#include <string.h>

#include "policies/facts.h"
#include "policies/tools.h"

/* "root/", "customers/acme/", "customers/acme/teams/payments/" */
static struct str
folder_of(struct str path)
{
	struct str rest = path;
	int parts = 1;

	if (str_starts(path, STR("customers/")))
		parts = 2;
	for (int i = 0; i < parts; i++)
		(void)str_cut(&rest, '/');
	if (parts == 2 && rest.p != NULL && str_starts(rest, STR("teams/"))) {
		struct str below = rest;

		(void)str_cut(&below, '/');
		(void)str_cut(&below, '/');
		rest = below.p != NULL ? below : rest;
	}
	return rest.p == NULL ? path : STR_SPAN(path.p, rest.p);
}

static struct str
owner_of(const struct bundle *b, struct str folder)
{
	struct str rest = folder, customer, team;
	struct buf id;
	const struct node *n;

	if (!str_starts(folder, STR("customers/")))
		return b->org->level.contact;
	(void)str_cut(&rest, '/');
	customer = str_cut(&rest, '/');
	(void)str_cut(&rest, '/');
	team = rest.p == NULL ? STR("") : str_cut(&rest, '/');
	buf_init(&id, 0);
	buf_put(&id, customer);
	if (team.n > 0)
		buf_printf(&id, "/" STR_FMT, STR_ARG(team));
	n = map_get(&b->by_id, buf_str(&id));
	buf_fini(&id);
	return n == NULL ? STR("") : n->level.contact;
}

/* @user, @organisation/team, or an address: what such a file can name. */
static bool
nameable(struct str owner)
{
	return str_has(owner, '@') && !str_has(owner, ' ') && !str_has(owner, '#');
}

static void
folder_put(struct bundle *b, struct str folder, struct buf *out)
{
	struct str owner = owner_of(b, folder);

	for (size_t i = 0; owner.n == 0 && i < b->policies_n; i++)
		if (str_eq(folder_of(b->policies[i]->file), folder))
			owner = b->policies[i]->owner;
	if (nameable(owner))
		buf_printf(out, "/" STR_FMT "  " STR_FMT "\n", STR_ARG(folder), STR_ARG(owner));
	else
		buf_printf(out, "# /" STR_FMT "  %s" STR_FMT "%s\n", STR_ARG(folder),
		    owner.n > 0 ? "\"" : "", STR_ARG(owner.n > 0 ? owner : STR("nobody is named")),
		    owner.n > 0 ? "\" is no @user, @organisation/team or address" : "");
}

bool
policies_codeowners(const struct core_settings *s, struct buf *out, struct err *e)
{
	struct bundle *b = bundle_of(s, NULL, e);
	struct map seen;

	if (b == NULL)
		return false;
	map_init(&seen);
	buf_puts(out,
	    "# Who owns which part of the policy files (tollgate policy lint --codeowners).\n"
	    "# Paths begin at the folder of the policies.\n");
	for (size_t i = 0; i < b->files_n; i++) {
		struct str folder = folder_of(b->files[i]);

		if (map_get(&seen, folder) != NULL)
			continue;
		map_set(&seen, folder, b);
		folder_put(b, folder, out);
	}
	map_fini(&seen);
	bundle_free(&b);
	return true;
}
