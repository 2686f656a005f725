/* SPDX-License-Identifier: Apache-2.0 */
/* cli_rollout - `policy rollout`: who would be refused if what is observed were enforced. */
#include <stdio.h>

#include "base/json.h"
#include "gateway/cli.h"
#include "policies/policies.h"

#define ARENA_BYTES ((size_t)64 << 20)

static void
rows_print(struct str rows)
{
	struct json_iter it;
	struct str key, row;
	struct arena a;
	int n = 0;

	if (!json_open(rows, &it))
		return;
	arena_init(&a, ARENA_BYTES);
	while (json_next(&it, &key, &row)) {
		struct str part[3] = { cli_text(row, "customer", &a), cli_text(row, "team", &a),
			cli_text(row, "user", &a) };

		n++;
		(void)printf(STR_FMT "%s" STR_FMT "%s" STR_FMT
				     ": %lld would be refused; first " STR_FMT ": " STR_FMT "\n",
		    STR_ARG(part[0]), part[1].n > 0 ? "/" : "", STR_ARG(part[1]),
		    part[2].n > 0 ? "/" : "", STR_ARG(part[2]),
		    (long long)cli_number(row, "would_refuse"),
		    STR_ARG(cli_text(row, "first_name", &a)),
		    STR_ARG(cli_text(row, "first_why", &a)));
	}
	if (n == 0)
		(void)puts("ok: nothing that is observed would have been refused");
	arena_free(&a);
}

int
cli_rollout(const struct cli *cli, const struct settings *s)
{
	int64_t since_ns;
	struct buf out;
	struct err e;
	bool ok;

	if (!cli_ago(cli->since == NULL ? "7d" : cli->since, &since_ns))
		return cli_usage("--since takes a span like 7d, 24h or 30m");
	cli_sync(s);
	buf_init(&out, 0);
	ok = rollout_json(s->data, since_ns, &out, &e);
	if (ok && cli->json)
		(void)printf("%s\n", buf_cstr(&out));
	else if (ok)
		rows_print(buf_str(&out));
	buf_fini(&out);
	return ok ? 0 : cli_fail(&e);
}
