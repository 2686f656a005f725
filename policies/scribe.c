/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scribe - the one thread that writes the database.
 *
 *   loop --scribe_give()--> list of what was journalled, a turn each
 *        --BATCH_BYTES of it--> one transaction --commit--> eventfd
 *
 * It computes the hash chain, in order, because it is the only writer.  A commit costs as much as
 * hundreds of rows, so with batched durability the thread lets PACE_MS of records gather first; a
 * process that dies loses none of them, because the journal has them.  A locked or full database
 * is tried again until it works: records wait in the list (and in the journal).  Some failures in a
 * row, or too large a backlog, end admission until it works again.
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

#define BATCH_BYTES ((size_t)4 << 20)
#define PACE_MS     20
#define AGAIN_MS    50
#define FAIL_TRIES  8 /* so many failures in a row, two seconds if it is locked, end admission */
#define STOP_TRIES  8 /* a stop insists this often */

struct turn { /* what one turn of the loop journalled */
	struct turn *next;
	struct buf records;
};

struct scribe {
	struct store *store;
	struct chain_head head;
	struct usage_sum sum;
	bool paced;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t more;
	struct turn *first, **tail;
	bool stop;
	struct err why;
	int event_fd;
	_Atomic uint64_t applied;
	_Atomic size_t backlog_bytes;
	_Atomic bool failing; /* for FAIL_TRIES or longer; why: under the mutex */
};

static bool
turn_apply(
    struct scribe *sc, const struct turn *t, struct chain_head *head, uint64_t *last, struct err *e)
{
	struct str in = buf_str(&t->records);
	struct journal_record jr;
	struct record r;

	while (journal_next(&in, &jr)) {
		*last = jr.seq;
		if (jr.type != RECORD_DONE)
			continue;
		if (!record_get(jr.payload, &r)) {
			log_error(NULL, "unreadable record skipped", F_INT("seq", (int64_t)jr.seq));
			continue;
		}
		if (!record_apply(sc->store, &r, head, &sc->sum, e))
			return false;
	}
	return true;
}

static bool
batch_apply(struct scribe *sc, const struct turn *turns, struct err *e)
{
	struct chain_head head = sc->head;
	uint64_t last = 0;

	sc->sum.n = 0;
	if (!store_begin(sc->store, e))
		return false;
	for (const struct turn *t = turns; t != NULL; t = t->next)
		if (!turn_apply(sc, t, &head, &last, e))
			return false;
	if (!usage_sum_flush(&sc->sum, sc->store, e) || !store_applied_put(sc->store, last, e) ||
	    !store_commit(sc->store, e))
		return false;
	sc->head = head;
	atomic_store(&sc->applied, last);
	return true;
}

static void
batch_free(struct scribe *sc, struct turn *turns)
{
	uint64_t one = 1;

	while (turns != NULL) {
		struct turn *next = turns->next;

		atomic_fetch_sub(&sc->backlog_bytes, turns->records.n);
		buf_fini(&turns->records);
		free(turns);
		turns = next;
	}
	if (write(sc->event_fd, &one, sizeof(one)) < 0)
		return; /* full: the loop is told already */
}

static void
pause_ms(int ms)
{
	struct timespec t = { 0, ms * 1000000L };

	(void)nanosleep(&t, NULL);
}

static void
failing_set(struct scribe *sc, bool failing, const struct err *why)
{
	if (failing == atomic_load(&sc->failing))
		return;
	(void)pthread_mutex_lock(&sc->mutex);
	if (failing)
		sc->why = *why;
	(void)pthread_mutex_unlock(&sc->mutex);
	atomic_store(&sc->failing, failing);
	if (failing)
		log_error(NULL, "the database cannot be written: governed work is refused",
		    F_TEXT("why", why->text));
	else
		log_info(NULL, "the database can be written again");
}

/* Waits for work, or to be told to stop. */
static void
work_wait(struct scribe *sc)
{
	bool stop;

	(void)pthread_mutex_lock(&sc->mutex);
	while (sc->first == NULL && !sc->stop)
		(void)pthread_cond_wait(&sc->more, &sc->mutex);
	stop = sc->stop;
	(void)pthread_mutex_unlock(&sc->mutex);
	if (sc->paced && !stop)
		pause_ms(PACE_MS);
}

/* Takes what waits, up to BATCH_BYTES and a turn; NULL: nothing. */
static struct turn *
batch_take(struct scribe *sc)
{
	struct turn *turns, *last;
	size_t bytes;

	(void)pthread_mutex_lock(&sc->mutex);
	turns = last = sc->first;
	bytes = last == NULL ? 0 : last->records.n;
	while (last != NULL && last->next != NULL && bytes < BATCH_BYTES) {
		last = last->next;
		bytes += last->records.n;
	}
	if (last != NULL) {
		sc->first = last->next;
		last->next = NULL;
		if (sc->first == NULL)
			sc->tail = &sc->first;
	}
	(void)pthread_mutex_unlock(&sc->mutex);
	return turns;
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
batch_insist(struct scribe *sc, const struct turn *turns)
{
	struct err e;
	int tries = 0, stop_tries = 0;

	while (!batch_apply(sc, turns, &e)) {
		store_rollback(sc->store);
		if (++tries >= FAIL_TRIES)
			failing_set(sc, true, &e);
		if (stopping(sc) && ++stop_tries >= STOP_TRIES)
			return false;
		pause_ms(AGAIN_MS);
	}
	failing_set(sc, false, NULL);
	return true;
}

static void *
scribe_main(void *arg)
{
	struct scribe *sc = arg;
	struct turn *turns;
	bool ok = true;

	for (;;) {
		work_wait(sc);
		turns = batch_take(sc);
		if (turns == NULL)
			break;
		ok = ok && batch_insist(sc, turns);
		batch_free(sc, turns);
	}
	if (!ok) /* nobody prunes the journal before it is applied */
		log_warn(NULL, "stopped with records that the next start applies");
	crypto_thread_end();
	return NULL;
}

struct scribe *
scribe_start(struct store **s, struct chain_head head, uint64_t applied, bool paced, struct err *e)
{
	struct scribe *sc = mem_zalloc(sizeof(*sc));

	sc->store = *s;
	*s = NULL;
	sc->head = head;
	sc->paced = paced;
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
scribe_give(struct scribe *sc, struct buf *written)
{
	struct turn *t;

	if (written->n == 0)
		return;
	t = mem_alloc(sizeof(*t));
	t->next = NULL;
	t->records = *written;
	buf_init(written, 0);
	atomic_fetch_add(&sc->backlog_bytes, t->records.n);
	(void)pthread_mutex_lock(&sc->mutex);
	*sc->tail = t;
	sc->tail = &t->next;
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
	if (!atomic_load(&sc->failing))
		return false;
	(void)pthread_mutex_lock(&sc->mutex);
	*e = sc->why;
	(void)pthread_mutex_unlock(&sc->mutex);
	return true;
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
