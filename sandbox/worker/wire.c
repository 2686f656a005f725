/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire - the worker's end of the data socket: blocking reads and writes on descriptor 0.
 *
 * The gateway is trusted as far as lengths go, but a nonsense head still ends the worker: nothing
 * here may depend on the peer being right.  When the gateway is gone there is nobody to tell, so
 * every failure is an exit.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/worker/worker.h"

static void
write_all(const unsigned char *p, size_t n)
{
	while (n > 0) {
		ssize_t r = write(vm.fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			_exit(WORKER_EXIT_EOF);
		p += r;
		n -= (size_t)r;
	}
}

/* Most frames are small: a head and its body, and what came with them, are one system call. */
static struct {
	size_t at, n;
	char bytes[2048];
} ahead = { .bytes = { 1 } }; /* not nothing: it lies beside vm then, a page less to copy */

void
wire_touch(void)
{
	memset(ahead.bytes, 1, sizeof(ahead.bytes));
}

static size_t
read_some(char *p, size_t n)
{
	ssize_t r;

	do
		r = read(vm.fd, p, n);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		_exit(WORKER_EXIT_EOF);
	return (size_t)r;
}

static void
read_all(char *p, size_t n)
{
	while (n > 0) {
		size_t have = ahead.n - ahead.at;

		if (have > n)
			have = n;
		if (have == 0 && n >= sizeof(ahead.bytes)) { /* no need to pass through */
			have = read_some(p, n);
		} else if (have == 0) {
			ahead.n = read_some(ahead.bytes, sizeof(ahead.bytes));
			ahead.at = 0;
			continue;
		} else {
			memcpy(p, ahead.bytes + ahead.at, have);
			ahead.at += have;
		}
		p += have;
		n -= have;
	}
}

/* A call is made elsewhere than the one before: the place goes ahead of it. */
static size_t
put_place(unsigned char *to)
{
	if (vm.fan == vm.told_fan && vm.in_branch == vm.told_in_branch)
		return 0;
	vm.told_fan = vm.fan;
	vm.told_in_branch = vm.in_branch;
	frame_write_head(
	    to, (struct frame_head){
		    .type = FRAME_PLACE, .id = vm.fan, .handle = (uint16_t)vm.in_branch });
	return FRAME_HEAD_BYTES;
}

void
wire_send(struct frame_head h, const void *body)
{
	unsigned char small[1024]; /* of a stack whose pages are new */
	size_t n;

	if (vm.fd < 0)
		return;
	n = h.type == FRAME_CALL ? put_place(small) : 0;
	frame_write_head(small + n, h);
	n += FRAME_HEAD_BYTES;
	if (h.body_bytes <= sizeof(small) - n) { /* one system call */
		if (h.body_bytes > 0)
			memcpy(small + n, body, h.body_bytes);
		write_all(small, n + h.body_bytes);
		return;
	}
	write_all(small, n);
	write_all(body, h.body_bytes);
}

struct frame_head
wire_receive(struct answer *a)
{
	unsigned char raw[FRAME_HEAD_BYTES];
	struct frame_head h;

	read_all((char *)raw, sizeof(raw));
	h = frame_read_head(raw);
	if (h.body_bytes > FRAME_DOWN_MAX)
		_exit(WORKER_EXIT_EOF);
	*a = (struct answer){ .id = h.id, .flags = h.flags, .n = h.body_bytes };
	a->body = malloc((size_t)h.body_bytes + 1);
	if (a->body == NULL)
		vm_end(SANDBOX_OOM, "memory limit exceeded by a tool's answer");
	read_all(a->body, a->n);
	a->body[a->n] = '\0';
	return h;
}
