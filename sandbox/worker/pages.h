/* SPDX-License-Identifier: Apache-2.0 */
/* pages - which memory a worker makes its own, and when; see pages.c.  Knows nothing of Lua. */
#pragma once

#include <stddef.h>

/* The zygote, once, in this order. */
void heap_reserve(size_t limit_bytes);
/* No block that is allocated from now on lies on a page of what is allocated now. */
void heap_seal(void);
/* Lets a child that is thrown away do what every worker will do, and learns which pages it wrote
 * to.  Without them (no fork, no memory) pages_ready() does less. */
void pages_rehearse(void (*act)(void));

/* Each worker, before the lock: makes those pages, and some of the stack, its own in a few system
 * calls instead of a page fault each. */
void pages_ready(void);
