#!/bin/sh
# Fails when a file includes upwards, reaches past another folder's public header, opens a library
# outside its one door, uses a banned word, or when two magics are equal.
set -eu
cd "$(dirname "$0")/.."
bad=0
say() { echo "$1"; bad=1; }

allowed() { # folder -> folders it may include
	case $1 in
	base) echo base ;;
	policies) echo base policies ;;
	sandbox) echo base sandbox ;;
	sandbox/worker) echo sandbox sandbox/worker ;;
	mcp) echo base policies mcp ;;
	mcp/demo) echo base mcp/demo ;;
	codemode) echo base policies sandbox mcp codemode ;;
	gateway) echo base policies sandbox mcp codemode gateway ;;
	esac
}
for d in base policies sandbox sandbox/worker mcp mcp/demo codemode gateway; do
	for f in "$d"/*.[ch]; do
		[ -e "$f" ] || continue
		for inc in $(sed -n 's/^#[ 	]*include "\([^"]*\)".*/\1/p' "$f"); do
			to=${inc%/*}
			case " $(allowed "$d") " in *" $to "*) ;; *) say "$f: may not include $inc" ;; esac
			[ "$to" = "$d" ] || [ "$to" = base ] || [ "$inc" = "$to/$to.h" ] ||
			    [ "$d:$inc" = "sandbox/worker:sandbox/frame.h" ] ||
			    say "$f: $inc is private to $to"
		done
	done
done

all=$(ls base/*.[ch] policies/*.[ch] sandbox/*.[ch] sandbox/worker/*.[ch] mcp/*.[ch] mcp/demo/*.[ch] \
    codemode/*.[ch] gateway/*.[ch] 2>/dev/null || true)
door() { # header pattern, then the files that may include it
	h=$1
	shift
	for f in $(grep -lE "#[ 	]*include <$h" $all 2>/dev/null); do
		case " $* " in *" $f "*) ;; *) say "$f: <$h> has its door elsewhere ($*)" ;; esac
	done
}
door 'libwebsockets' gateway/listen.c
door 'ev\.h' base/loop.c
door 'curl/' base/connect.c
door 'cjson/|cJSON' nowhere
door 'yaml' base/yaml.c
door 'sqlite3' policies/store_sqlite.c
door 'openssl/' base/crypto.c base/sign.c base/tls.c
for f in $(grep -lE '#[ 	]*include <(lua|lauxlib|lualib)' $all 2>/dev/null); do
	case $f in sandbox/worker/*) ;; *) say "$f: Lua has its door in sandbox/worker" ;; esac
done

# The gate: who may spend money, reach an upstream or run a script at all.  tests/f_gate.lua shows
# that each of them passes gate_enter() and gate_leave().
callers() { # function, then the files that may name it
	fn=$1
	shift
	for f in $(grep -lE "(^|[^a-z_])$fn ?\(" $all 2>/dev/null | grep '\.c$'); do
		case " $* " in *" $f "*) ;; *) say "$f: calls $fn(), which is for $*" ;; esac
	done
}
callers budget_reserve policies/budget.c policies/afford.c
callers budget_take policies/budget.c policies/afford.c
callers afford policies/afford.c policies/gate.c
callers limits_take policies/limits.c policies/afford.c
callers limits_release policies/limits.c policies/gate.c
callers budget_settle policies/budget.c policies/gate.c
# policies/repeat.c rehearses on a data folder that is thrown away, and reaches nothing.
callers gate_enter policies/gate.c policies/repeat.c gateway/proxy.c mcp/call.c
callers gate_leave policies/gate.c policies/repeat.c gateway/proxy.c mcp/call.c
callers gate_pass_once policies/gate.c codemode/approved.c
callers event_open policies/event.c policies/gate.c policies/hold.c
callers event_done policies/event.c policies/gate.c
callers event_refused policies/event.c policies/gate.c
callers http_start base/http.c base/fetch.c gateway/proxy.c mcp/server_http.c mcp/server_openapi.c mcp/server_sse.c gateway/cli_url.c
callers fetch_start base/fetch.c mcp/oauth.c mcp/server_openapi.c gateway/identity.c gateway/webhook.c
callers upcall_start mcp/upcall.c mcp/call_up.c mcp/handshake.c mcp/server.c mcp/server_http.c mcp/server_stdio.c
callers server_ask_own mcp/server.c mcp/handshake.c mcp/listing.c mcp/instance.c mcp/updates.c
callers hub_call mcp/call.c mcp/answer.c codemode/inner.c gateway/control.c
callers sandbox_run sandbox/script.c codemode/run.c gateway/check_snippets.c

banned='strcpy|strcat|strncpy|sprintf|vsprintf|strtok|atoi|atol|scanf|sscanf|alloca|system|popen|gets|setjmp|longjmp'
for f in $all; do
	grep -nE "(^|[^a-zA-Z0-9_>.])($banned) ?\(" "$f" | grep -vE '^[0-9]+:[ 	]*(\*|//|/\*)' |
	    sed "s|^|$f:|; s|\$|  (banned)|" | grep . && bad=1
done
for f in $all; do
	case $f in *.c)
		n=$(wc -l <"$f")
		[ "$n" -le 800 ] || say "$f: $n lines; one noun has 100 to 500"
		head -1 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || say "$f: no SPDX line"
		;;
	esac
done
dup=$(grep -hoE '#define [A-Z0-9_]+_MAGIC +0x[0-9a-fA-F]+' $all 2>/dev/null | awk '{print tolower($3)}' | sort | uniq -d)
[ -z "$dup" ] || say "the same magic twice: $dup"
exit $bad
