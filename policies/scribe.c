/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scribe - the one thread that writes the database.
 *
 *   loop --scribe_give()--> list of what was journalled, a turn each
 *        --BATCH_BYTES of it--> one transaction --commit--> DATA/anchor --> eventfd
 *
 * It computes the hash chain, in order, because it is the only writer.  A commit costs as much as
 * hundreds of rows, so with batched durability the thread lets PACE_MS of records gather first; a
 * process that dies loses none of them, because the journal has them.  A locked or full database
 * is tried again until it works: records wait in the list (and in the journal).  Some failures in a
 * row, or too large a backlog, end admission until it works again.
 *
 * The anchor is written after the commit of every change of a key, before anybody is told; else
 * ANCHOR_PACE_MS after it has gone stale, or so much later that writing it takes a twentieth of the
 * time.  What cannot be written is insisted on like the database.
 *
 * Shared with the loop: the list under the mutex; applied, backlog and failing as atomics or under
 * the same mutex.  Everything else belongs to the thread.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "policies/anchor.h"

#define BATCH_BYTES    ((size_t)4 << 20)
#define PACE_MS        20
#define ANCHOR_PACE_MS 1000
#define ANCHOR_SHARE   20
#define AGAIN_MS       50
#define FAIL_TRIES     8 /* so many failures in a row, two seconds if it is locked, end admission */
#define STOP_TRIES     8 /* a stop insists this often */

struct turn { /* what one turn of the loop journalled */
	struct turn *next;
	struct buf records;
};

struct scribe {
	struct store *store;
	struct anchor anchor; /* as of the last commit */
	char *data_dir;
	bool stale, urgent; /* the file: is behind; a key has changed */
	int64_t due_ms;
	struct usage_sum sum;
	bool paced;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t more;
	struct turn *first, **tail;
	bool stop;
	struct err why;
	int event_fd;
	_Atomic uint64_t applied, anchored;
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
		if (jr.type == RECORD_KEPT && !kept_apply(sc->store, jr.payload, e))
			return false;
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

/* What has been committed goes into the anchor, too. */
static void
turn_note(struct scribe *sc, const struct turn *t)
{
	struct str in = buf_str(&t->records);
	struct journal_record jr;
	struct record r;

	while (journal_next(&in, &jr)) {
		if (jr.type != RECORD_DONE || !record_get(jr.payload, &r))
			continue;
		if (r.has_usage)
			anchor_note_usage(&sc->anchor, &r.usage);
		if (r.has_key)
			anchor_note_key(&sc->anchor, &r.key);
		sc->urgent |= r.has_key;
	}
}

static bool
batch_apply(struct scribe *sc, const struct turn *turns, struct err *e)
{
	struct chain_head head = sc->anchor.head;
	uint64_t last = 0;
	bool found;

	sc->sum.n = 0;
	if (!store_begin(sc->store, e))
		return false;
	for (const struct turn *t = turns; t != NULL; t = t->next)
		if (!turn_apply(sc, t, &head, &last, e))
			return false;
	if (!usage_sum_flush(&sc->sum, sc->store, e) || !store_applied_put(sc->store, last, e) ||
	    !store_commit(sc->store, e))
		return false;
	if (sc->anchor.head.seq == 0 && head.seq > 0 &&
	    !store_hash_at(sc->store, 1, &sc->anchor.first, &found, e))
		log_error(NULL, "the first row cannot be read", F_TEXT("why", e->text));
	sc->anchor.head = head;
	sc->anchor.applied = last;
	for (const struct turn *t = turns; t != NULL; t = t->next)
		turn_note(sc, t);
	return true;
}

static void
tell(struct scribe *sc)
{
	uint64_t one = 1;

	if (write(sc->event_fd, &one, sizeof(one)) < 0)
		return; /* full: the loop is told already */
}

static void
batch_free(struct scribe *sc, struct turn *turns)
{
	while (turns != NULL) {
		struct turn *next = turns->next;

		atomic_fetch_sub(&sc->backlog_bytes, turns->records.n);
		buf_fini(&turns->records);
		free(turns);
		turns = next;
	}
}

static int64_t
mono_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
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

/* Waits for work, for the anchor's time, or to be told to stop. */
static void
work_wait(struct scribe *sc)
{
	const struct timespec due = { (time_t)(sc->due_ms / 1000), sc->due_ms % 1000 * 1000000L };
	bool stop, late = false;

	(void)pthread_mutex_lock(&sc->mutex);
	while (sc->first == NULL && !sc->stop && !late) {
		if (sc->stale)
			late = pthread_cond_timedwait(&sc->more, &sc->mutex, &due) == ETIMEDOUT;
		else
			(void)pthread_cond_wait(&sc->more, &sc->mutex);
	}
	stop = sc->stop;
	(void)pthread_mutex_unlock(&sc->mutex);
	if (sc->paced && !stop && !late)
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

static bool
anchor_apply(struct scribe *sc, const struct turn *none, struct err *e)
{
	(void)none;
	return anchor_write(&sc->anchor, sc->data_dir, e);
}

/* Until it works; false: told to stop, and it did not work in time. */
static bool
insist(struct scribe *sc, bool (*fn)(struct scribe *sc, const struct turn *turns, struct err *e),
    const struct turn *turns)
{
	struct err e;
	int tries = 0, stop_tries = 0;

	while (!fn(sc, turns, &e)) {
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

static bool
anchor_insist(struct scribe *sc)
{
	int64_t began_ms = mono_ms(), took_ms;

	if (!insist(sc, anchor_apply, NULL))
		return false;
	took_ms = mono_ms() - began_ms;
	sc->stale = sc->urgent = false;
	sc->due_ms = began_ms + (took_ms * ANCHOR_SHARE > ANCHOR_PACE_MS ? took_ms * ANCHOR_SHARE
									 : ANCHOR_PACE_MS);
	atomic_store(&sc->anchored, sc->anchor.applied);
	return true;
}

static void
scribe_free(struct scribe *sc)
{
	if (sc->event_fd >= 0)
		(void)close(sc->event_fd);
	store_close(&sc->store);
	anchor_fini(&sc->anchor);
	(void)pthread_cond_destroy(&sc->more);
	(void)pthread_mutex_destroy(&sc->mutex);
	free(sc->data_dir);
	free(sc);
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
		if (turns == NULL && stopping(sc))
			break;
		if (turns != NULL && ok) {
			ok = insist(sc, batch_apply, turns);
			sc->stale |= ok;
		}
		if (ok && sc->stale && (sc->urgent || mono_ms() >= sc->due_ms))
			ok = anchor_insist(sc);
		if (ok)
			atomic_store(&sc->applied, sc->anchor.applied);
		batch_free(sc, turns);
		tell(sc);
	}
	if (ok && sc->stale)
		ok = anchor_insist(sc);
	if (!ok) /* nobody prunes the journal before it is applied */
		log_warn(NULL, "stopped with records that the next start applies");
	crypto_thread_end();
	return NULL;
}

/* Waits go by the monotonic clock. */
static void
sync_init(struct scribe *sc)
{
	pthread_condattr_t by;

	(void)pthread_condattr_init(&by);
	(void)pthread_condattr_setclock(&by, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&sc->mutex, NULL);
	(void)pthread_cond_init(&sc->more, &by);
	(void)pthread_condattr_destroy(&by);
}

struct scribe *
scribe_start(struct store **s, struct anchor *a, const char *data_dir, bool paced, struct err *e)
{
	struct scribe *sc = mem_zalloc(sizeof(*sc));

	sc->store = *s;
	*s = NULL;
	sc->anchor = *a;
	anchor_init(a);
	sc->data_dir = mem_strdup(data_dir);
	sc->paced = paced;
	sc->tail = &sc->first;
	atomic_store(&sc->applied, sc->anchor.applied);
	atomic_store(&sc->anchored, sc->anchor.applied);
	sync_init(sc);
	sc->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (sc->event_fd < 0 || pthread_create(&sc->thread, NULL, scribe_main, sc) != 0) {
		(void)err_set(e, ERR_INTERNAL, "the scribe thread could not start");
		scribe_free(sc);
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

uint64_t
scribe_anchored(struct scribe *sc)
{
	return atomic_load(&sc->anchored);
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
	scribe_free(sc);
}
