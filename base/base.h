/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base - the vocabulary every other folder speaks.
 *
 * Nothing in this folder knows about HTTP dialects, MCP, Lua, keys or money.  This header holds
 * only what every file needs: attributes, assertions that are always on, and the intrusive list.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK                 __attribute__((warn_unused_result))
#define PRINTF(f, a)               __attribute__((format(printf, f, a)))
#define COUNT(a)                   (sizeof(a) / sizeof((a)[0]))
#define CONTAINER(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

/*
 * Assertions are compiled in always: a broken invariant must not bill anybody.  They are for what
 * this program did to itself, never for input.
 */
_Noreturn void assert_fail(const char *expr, const char *file, int line, const char *func);
#define ASSERT(e)     ((e) ? (void)0 : assert_fail(#e, __FILE__, __LINE__, __func__))
#define UNREACHABLE() assert_fail("unreachable", __FILE__, __LINE__, __func__)
#define IS(p, MAGIC)  ASSERT((p) != NULL && (p)->magic == (MAGIC))

/* Memory for long-lived nodes.  These never return NULL: out of memory ends the process. */
void *mem_alloc(size_t n);
void *mem_zalloc(size_t n);
void *mem_realloc(void *p, size_t n);
char *mem_strdup(const char *s);

/* For the interfaces that take a plain pointer and promise not to write through it. */
static inline void *
mem_unconst(const void *p)
{
	union {
		const void *in;
		void *out;
	} u = { .in = p };

	return u.out;
}

/* Frees *pp and clears the pointer, so that nobody keeps what is gone. */
#define MEM_FREE(pp)                                                                               \
	do {                                                                                       \
		free(*(pp));                                                                       \
		*(pp) = NULL;                                                                      \
	} while (0)

/* An intrusive, doubly linked, circular list.  A head and a loose node both point at themselves. */
struct link {
	struct link *prev, *next;
};

static inline void
link_init(struct link *n)
{
	n->prev = n->next = n;
}

static inline bool
link_empty(const struct link *head)
{
	return head->next == head;
}

/* Appends n at the tail of head. */
static inline void
link_push(struct link *head, struct link *n)
{
	n->prev = head->prev;
	n->next = head;
	head->prev->next = n;
	head->prev = n;
}

/* Takes n off whatever list it is on; dropping a loose node does nothing. */
static inline void
link_drop(struct link *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->prev = n->next = n;
}

/* Safe against dropping `it` itself, not against dropping its successor. */
#define LIST_EACH(it, head)                                                                        \
	for (struct link *it = (head)->next, *it##_next = it->next; it != (head);                  \
	     it = it##_next, it##_next = it->next)
