/* SPDX-License-Identifier: Apache-2.0 */
/* json_brackets - where does this object or array end?  Private to json.c. */
#pragma once

/* p stands behind an opening bracket, outside a string.  Returns what follows its closing bracket,
 * or NULL when there is none before end. */
typedef const char *json_brackets_f(const char *p, const char *end);
/* The fastest one for this processor. */
json_brackets_f *json_brackets(void);
/* p stands behind an opening quote: what follows the closing one, or NULL. */
const char *json_string_skip(const char *p, const char *end);
