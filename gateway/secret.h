/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret - values of tollgate.yaml that stand elsewhere: "env:NAME", "file:PATH", and "{env:NAME}"
 * inside a longer text.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

struct secrets {
	struct arena *arena;
	char *const *env;   /* environ */
	const char *folder; /* file: paths start here; "" = the working folder */
};
struct secret {
	struct str value;    /* "" when something is missing */
	bool elsewhere;      /* it named a variable or a file */
	const char *missing; /* "GITHUB_TOKEN is not set", in the arena; NULL: nothing */
};
/* false: the text itself is wrong (*e without a position). */
bool secret_expand(
    const struct secrets *s, struct str text, struct secret *out, struct err *e) MUST_CHECK;
/* Would a literal here look like a secret?  "Authorization", "GITHUB_TOKEN", ... */
bool secret_named(struct str name);
/* A path of the configuration: as it stands when absolute, else below folder. */
const char *path_below(struct arena *a, const char *folder, struct str path);
