/* SPDX-License-Identifier: Apache-2.0 */
/* fairness - a client's round trips through the loop, beside scripts that spin. */
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/sandbox/bench.h"

#define ECHOES 1500

struct echo {
	struct watch *watch;
	int sock;
};

static void
on_echo(void *ctx, int bits)
{
	struct echo *e = ctx;
	char one;

	(void)bits;
	if (recv(e->sock, &one, 1, MSG_DONTWAIT) == 1)
		(void)!write(e->sock, &one, 1);
}

/* A client in a process of its own, as clients are: sends when a millisecond has passed. */
static _Noreturn void
be_client(int sock, int report_to)
{
	static struct samples trips;
	double p99;
	char one = 'x';

	for (int fd = 3; fd < 1024; fd++) /* the pool's: a gateway shares them with nobody */
		if (fd != sock && fd != report_to)
			close(fd);
	for (int i = 0; i < ECHOES; i++) {
		int64_t from;

		(void)usleep(1000);
		from = now_ns();
		if (write(sock, &one, 1) != 1 || read(sock, &one, 1) != 1)
			_exit(1);
		sample(&trips, now_ns() - from);
	}
	p99 = quantile_us(&trips, 0.99);
	(void)!write(report_to, &p99, sizeof(p99));
	_exit(0);
}

static double
echo_p99(void)
{
	struct echo e;
	int pair[2], result[2];
	double p99 = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || pipe(result) != 0)
		die("socketpair");
	pid = fork();
	if (pid == 0)
		be_client(pair[1], result[1]);
	e.sock = pair[0];
	e.watch = watch_new(loop, e.sock, on_echo, &e);
	watch_set(e.watch, WATCH_READ);
	for (struct pollfd p = { result[0], POLLIN, 0 }; poll(&p, 1, 0) == 0;)
		loop_turn(loop);
	(void)!read(result[0], &p99, sizeof(p99));
	(void)waitpid(pid, NULL, 0);
	watch_free(&e.watch);
	for (int i = 0; i < 2; i++) {
		close(pair[i]);
		close(result[i]);
	}
	return p99;
}

void
measure_fairness(const cpu_set_t *all)
{
	struct run spinners[4] = { 0 };
	double idle, busy;

	use_core(true, all);
	open_pool(4, 10000);
	settle(4);
	idle = echo_p99();
	for (int i = 0; i < 4; i++) {
		spinners[i].spins = true;
		start(&spinners[i], spin, NULL, 0);
	}
	for (int64_t until = now_ns() + 50000000; now_ns() < until;)
		loop_turn(loop);
	busy = echo_p99();
	figure("echo_idle_p99_us", "gateway round trip on one core, p99", "us", idle, 0, 0);
	figure("echo_busy_p99_us", "the same beside 4 spinning scripts, p99", "us", busy, 0, 0);
	figure("echo_ratio", "busy to idle", "x", busy / idle, 0, 2);
	close_pool();
	use_core(false, all);
}
