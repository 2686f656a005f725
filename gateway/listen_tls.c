/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen_tls - the certificates of the listening sockets, and when they are read again.
 *
 *   acceptor_tls() --LOOK_MS--> look() --files changed--> read again: the next handshake sees it
 *                                                    \--> cannot be read: logged, the old one stays
 *
 * Looking is a stat() of each file: it follows links, which is how renewals are done, and it needs
 * no watch on folders that others replace.  Certificate and key are two files and change one after
 * the other; between the two they do not fit, and the second change repairs it.
 */
#include <stdlib.h>

#include "base/log.h"
#include "gateway/listen_conn.h"

#define LOOK_MS   2000
#define DAYS_WARN 14

static void
days_tell(const struct acceptor *a)
{
	int days = tls_server_days(a->tls);

	if (days < 0)
		log_error(NULL, "certificate has expired", F_INT("days", days));
	else if (days < DAYS_WARN)
		log_warn(NULL, "certificate expires soon", F_INT("days", days));
}

static void
acceptor_reload(struct acceptor *a)
{
	struct err e;

	if (!tls_server_reload(a->tls, &e)) {
		log_error(
		    NULL, "certificate not read again, the old one stays", F_TEXT("why", e.text));
		return;
	}
	log_info(NULL, "certificate read again", F_INT("days", tls_server_days(a->tls)));
	days_tell(a);
}

static void
look(void *ctx)
{
	struct listeners *ls = ctx;

	LIST_EACH(it, &ls->acceptors) {
		struct acceptor *a = CONTAINER(it, struct acceptor, link);

		if (a->tls != NULL && tls_server_changed(a->tls))
			acceptor_reload(a);
	}
	timer_set(ls->loop, &ls->certificates, LOOK_MS, look, ls);
}

void
listen_reload(struct listeners *ls)
{
	LIST_EACH(it, &ls->acceptors) {
		struct acceptor *a = CONTAINER(it, struct acceptor, link);

		if (a->tls != NULL)
			acceptor_reload(a);
	}
}

bool
acceptor_tls(struct acceptor *a, const struct tls_files *files, struct err *e)
{
	a->tls = tls_server_new(files, e);
	if (a->tls == NULL)
		return false;
	days_tell(a);
	if (!timer_armed(&a->ls->certificates))
		timer_set(a->ls->loop, &a->ls->certificates, LOOK_MS, look, a->ls);
	return true;
}

void
acceptor_tls_free(struct acceptor *a)
{
	tls_server_free(&a->tls);
}
