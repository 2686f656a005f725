#!/bin/sh
# What bench.mjs needs, into build/codemode: node, the tokenizer and, with REAL=1 (an argument), the npm servers
# of package.json.  Versions are exact, install scripts do not run; sqlite3's own is the one that is run, since it
# builds the module (some minutes, once).
set -eu
cd "$(dirname "$0")/../.."
for tool in node npm python3; do
	command -v $tool >/dev/null || sh tests/deps.sh nodejs npm python3
	command -v $tool >/dev/null || { echo "make bench-codemode needs $tool" >&2; exit 1; }
done
pinned() { sed -n "s|^ *\"$1\": \"\(.*\)\",*|\1|p" bench/codemode/package.json; }
install() { # folder, what must be there, what to install...
	at=$PWD/build/codemode/$1 there=$2
	shift 2
	if cmp -s bench/codemode/package.json "$at/of.json" && [ -e "$at/node_modules/$there" ]; then return 0; fi
	echo "installing into $at"
	mkdir -p "$at"
	(cd "$at" && timeout 1500 npm install --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel=error "$@")
	[ "$there" != sqlite3/build/Release/node_sqlite3.node ] ||
		(cd "$at" && timeout 1500 npm rebuild sqlite3 --build-from-source >npm.log 2>&1) || { tail -20 "$at/npm.log" >&2; exit 1; }
	cp bench/codemode/package.json "$at/of.json"
}
mkdir -p build/codemode/tokenizer
[ -e build/codemode/tokenizer/package.json ] || echo '{"private":true}' >build/codemode/tokenizer/package.json
install tokenizer gpt-tokenizer/esm/encoding/o200k_base.js "gpt-tokenizer@$(pinned gpt-tokenizer)"
[ -n "${1:-}" ] || exit 0
mkdir -p build/codemode/real
cp bench/codemode/package.json build/codemode/real/package.json
install real sqlite3/build/Release/node_sqlite3.node
