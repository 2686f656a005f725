/* SPDX-License-Identifier: Apache-2.0 */
/* cli_audit - what the files of `tollgate audit` share. */
#pragma once

#include <stdbool.h>

#include "base/text.h"

struct cli;
struct arena;
/* One row as a line for people; whatever is in it, no control byte reaches a terminal. */
void audit_line(struct str event, struct arena *a);
/* The rows that the options ask for; `data`: a data folder, or a copy of the database. */
int audit_query(const struct cli *cli, const char *data, bool export);
