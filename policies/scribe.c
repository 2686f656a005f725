/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scribe - the one thread that writes the database.
 *
 *   loop --scribe_give()--> list --up to BATCH records--> one transaction --commit--> eventfd
 *
 * It computes the hash chain, in order, because it is the only writer.  A locked or full database
 * is tried again until it works: records wait in the list (and in the journal, whatever happens to
 * this process), and the backlog's size is what stops admission.
 *
 * Shared with the loop: the list under the mutex; applied, backlog and failing as atomics or under
 * the same mutex.  Everything else belongs to the thread.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "policies/core.h"

#define BATCH      256
#define AGAIN_MS   50
#define STOP_TRIES 8 /* a stop insists this often, two seconds with the store's own wait */

struct item {
	struct item *next;
	uint64_t seq;
	uint8_t type;
	size_t n;
	char bytes[];
};

struct scribe {
	struct store *store;
	struct chain_head head;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t more;
	struct item *first, **tail;
	bool stop, failing;
	struct err why;
	int event_fd;
	_Atomic uint64_t applied;
	_Atomic size_t backlog_bytes;
};

static bool
batch_apply(struct scribe *sc, struct item *items, struct err *e)
{
	struct chain_head head = sc->head;
	uint64_t last = 0;

	if (!store_begin(sc->store, e))
		return false;
	for (struct item *i = items; i != NULL; i = i->next) {
		struct record r;

		last = i->seq;
		if (i->type != RECORD_DONE)
			continue;
		if (!record_get((struct str){ i->bytes, i->n }, &r)) {
			log_error(NULL, "unreadable record skipped", F_INT("seq", (int64_t)i->seq));
			continue;
		}
		if (!record_apply(sc->store, &r, &head, e))
			return false;
	}
	if (!store_applied_put(sc->store, last, e) || !store_commit(sc->store, e))
		return false;
	sc->head = head;
	atomic_store(&sc->applied, last);
	return true;
}

static void
batch_free(struct scribe *sc, struct item *items)
{
	uint64_t one = 1;

	while (items != NULL) {
		struct item *next = items->next;

		atomic_fetch_sub(&sc->backlog_bytes, items->n);
		free(items);
		items = next;
	}
	if (write(sc->event_fd, &one, sizeof(one)) < 0)
		return; /* full: the loop is told already */
}

static void
failing_set(struct scribe *sc, bool failing, const struct err *why)
{
	(void)pthread_mutex_lock(&sc->mutex);
	if (failing && !sc->failing)
		log_error(NULL, "the database cannot be written", F_TEXT("why", why->text));
	if (!failing && sc->failing)
		log_info(NULL, "the database can be written again");
	sc->failing = failing;
	if (why != NULL)
		sc->why = *why;
	(void)pthread_mutex_unlock(&sc->mutex);
}

/* Waits for work and takes up to BATCH items; NULL: stop. */
static struct item *
batch_take(struct scribe *sc)
{
	struct item *items, *last;

	(void)pthread_mutex_lock(&sc->mutex);
	while (sc->first == NULL && !sc->stop)
		(void)pthread_cond_wait(&sc->more, &sc->mutex);
	items = last = sc->first;
	for (int i = 1; last != NULL && last->next != NULL && i < BATCH; i++)
		last = last->next;
	if (last != NULL) {
		sc->first = last->next;
		last->next = NULL;
		if (sc->first == NULL)
			sc->tail = &sc->first;
	}
	(void)pthread_mutex_unlock(&sc->mutex);
	return items;
}

static bool
stopping(struct scribe *sc)
{
	bool stop;

	(void)pthread_mutex_lock(&sc->mutex);
	stop = sc->stop;
	(void)pthread_mutex_unlock(&sc->mutex);
	return stop;
}

/* Until it works; false: told to stop, and it did not work in time. */
static bool
batch_insist(struct scribe *sc, struct item *items)
{
	struct err e;
	int tries = 0;

	while (!batch_apply(sc, items, &e)) {
		struct timespec pause = { 0, AGAIN_MS * 1000000L };

		store_rollback(sc->store);
		failing_set(sc, true, &e);
		if (stopping(sc) && ++tries >= STOP_TRIES)
			return false;
		(void)nanosleep(&pause, NULL);
	}
	failing_set(sc, false, NULL);
	return true;
}

static void *
scribe_main(void *arg)
{
	struct scribe *sc = arg;
	struct item *items;

	while ((items = batch_take(sc)) != NULL) {
		bool ok = batch_insist(sc, items);

		batch_free(sc, items);
		if (!ok) {
			/* The rest stays in the journal, which nobody prunes before it is applied.
			 */
			log_warn(NULL, "stopped with records that the next start applies");
			while ((items = batch_take(sc)) != NULL)
				batch_free(sc, items);
			break;
		}
	}
	crypto_thread_end();
	return NULL;
}

struct scribe *
scribe_start(struct store **s, struct chain_head head, uint64_t applied, struct err *e)
{
	struct scribe *sc = mem_zalloc(sizeof(*sc));

	sc->store = *s;
	*s = NULL;
	sc->head = head;
	sc->tail = &sc->first;
	atomic_store(&sc->applied, applied);
	(void)pthread_mutex_init(&sc->mutex, NULL);
	(void)pthread_cond_init(&sc->more, NULL);
	sc->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (sc->event_fd < 0 || pthread_create(&sc->thread, NULL, scribe_main, sc) != 0) {
		(void)err_set(e, ERR_INTERNAL, "the scribe thread could not start");
		store_close(&sc->store);
		free(sc);
		return NULL;
	}
	return sc;
}

void
scribe_give(struct scribe *sc, const struct journal_record *r)
{
	struct item *i = mem_alloc(sizeof(*i) + r->payload.n);

	i->next = NULL;
	i->seq = r->seq;
	i->type = r->type;
	i->n = r->payload.n;
	memcpy(i->bytes, r->payload.p, r->payload.n);
	atomic_fetch_add(&sc->backlog_bytes, i->n);
	(void)pthread_mutex_lock(&sc->mutex);
	*sc->tail = i;
	sc->tail = &i->next;
	(void)pthread_cond_signal(&sc->more);
	(void)pthread_mutex_unlock(&sc->mutex);
}

uint64_t
scribe_applied(struct scribe *sc)
{
	return atomic_load(&sc->applied);
}

size_t
scribe_backlog_bytes(struct scribe *sc)
{
	return atomic_load(&sc->backlog_bytes);
}

bool
scribe_failing(struct scribe *sc, struct err *e)
{
	bool failing;

	(void)pthread_mutex_lock(&sc->mutex);
	failing = sc->failing;
	if (failing)
		*e = sc->why;
	(void)pthread_mutex_unlock(&sc->mutex);
	return failing;
}

int
scribe_event_fd(const struct scribe *sc)
{
	return sc->event_fd;
}

void
scribe_stop(struct scribe **scp)
{
	struct scribe *sc = *scp;

	if (sc == NULL)
		return;
	*scp = NULL;
	(void)pthread_mutex_lock(&sc->mutex);
	sc->stop = true;
	(void)pthread_cond_signal(&sc->more);
	(void)pthread_mutex_unlock(&sc->mutex);
	(void)pthread_join(sc->thread, NULL);
	(void)close(sc->event_fd);
	store_close(&sc->store);
	(void)pthread_cond_destroy(&sc->more);
	(void)pthread_mutex_destroy(&sc->mutex);
	free(sc);
}
