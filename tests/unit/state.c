/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state - sessions that scripts only ask for are bounded, too: a client that names a new one with
 * each failing script takes no more memory than one that writes them.
 */
#include "codemode/state.h"

#include "tests/unit/core_rig.h"

#define SESSIONS  40000
#define MOST      ((size_t)8 << 20) /* of one key: state.c's OWNER_BYTES */
#define ONE_BYTES 512

int
main(void)
{
	struct codemode cm = { 0 };
	char secret[KEY_SECRET_BYTES + 1], name[32];
	struct sandbox_script script = { .source = STR("S.x = 1 error()") };
	struct core *c;
	struct loop *l;
	struct key *k;
	struct err e;

	bundle_make();
	c = open_core(&l, &e);
	if (!CHECK(c != NULL))
		return check_done();
	k = key_create(c, &(struct key_spec){ .name = STR("a"), .user = STR("ana") },
	    STR("local:0"), secret, &e);
	cm.core = c;
	cm.loop = l;
	keep_load(&cm);
	TEST("lent sessions stay within what one key may have");
	state_keep(&cm, k, STR("first"), STR("{\"a\":1}"), STR_NONE);
	for (int i = 0; i < SESSIONS; i++) {
		(void)snprintf(name, sizeof(name), "session %d", i);
		state_lend(&cm, k, str_of(name), &script);
		CHECK_STR(script.state, "{}");
	}
	CHECK(cm.session_bytes <= MOST + ONE_BYTES);
	state_lend(&cm, k, STR("first"), &script);
	CHECK_STR(script.state, "{}"); /* it was used longest ago */
	keep_free(&cm);
	core_close(&c);
	loop_free(&l);
	bundle_drop();
	return check_done();
}
