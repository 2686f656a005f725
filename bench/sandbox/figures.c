/* SPDX-License-Identifier: Apache-2.0 */
/* figures - samples, what is told of them, and whether that is within its bounds. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/sandbox/bench.h"

_Noreturn void
die(const char *what)
{
	(void)fprintf(stderr, "bench: %s\n", what);
	exit(2);
}

void
sample(struct samples *s, int64_t ns)
{
	if (s->n < COUNT(s->ns))
		s->ns[s->n++] = ns;
}

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

double
quantile_us(struct samples *s, double q)
{
	qsort(s->ns, s->n, sizeof(*s->ns), by_size);
	return s->n == 0 ? 0 : (double)s->ns[(size_t)((double)(s->n - 1) * q)] / 1000;
}

struct figure {
	const char *key, *what, *unit;
	double value, per_fork; /* 0: no ratio */
	double bound;           /* of the ratio, or of the value when there is none; 0: not gated */
};
static struct figure figures[40];
static size_t figures_n;
double fork_us, fork99_us;

void
figure(const char *key, const char *what, const char *unit, double value, double per, double bound)
{
	figures[figures_n++] =
	    (struct figure){ key, what, unit, value, per > 0 ? value / per : 0, bound };
}

static bool
is_over(const struct figure *f)
{
	return f->bound > 0 && (f->per_fork > 0 ? f->per_fork : f->value) > f->bound;
}

int
report(bool json, bool gate)
{
	int over = 0;

	if (json)
		(void)printf("{");
	for (size_t i = 0; i < figures_n; i++) {
		const struct figure *f = &figures[i];

		if (json) {
			(void)printf("%s\"%s\":%.2f", i > 0 ? "," : "", f->key, f->value);
			if (f->per_fork > 0)
				(void)printf(",\"%s_per_fork\":%.3f", f->key, f->per_fork);
		} else {
			(void)printf("%-50s %10.1f %-7s", f->what, f->value, f->unit);
			if (f->per_fork > 0)
				(void)printf(" %7.2f x fork+exit", f->per_fork);
			(void)printf("%s\n", gate && is_over(f) ? "   OVER ITS BOUND" : "");
		}
		if (is_over(f)) {
			over++;
			if (gate)
				(void)fprintf(
				    stderr, "bench: %s is past %.2f\n", f->what, f->bound);
		}
	}
	if (json)
		(void)printf("}\n");
	return gate && over > 0;
}
