/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_kind - which of another program's providers are ones that we speak to.
 */
#include "gateway/import.h"

const struct import_kind *
import_kind(struct str theirs)
{
	// clang-format off
	static const struct import_kind kinds[] = {
		{ "anthropic", "anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY",
		  "claude-*" },
		{ "openai", "openai", "https://api.openai.com", "OPENAI_API_KEY",
		  "gpt-* o1* o3* o4*" },
		{ "gemini", "genai", "https://generativelanguage.googleapis.com", "GEMINI_API_KEY",
		  "gemini-*" },
	};
	// clang-format on

	for (size_t i = 0; i < COUNT(kinds); i++)
		if (str_ieq(theirs, str_of(kinds[i].theirs)))
			return &kinds[i];
	return NULL;
}
