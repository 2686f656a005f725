#!/bin/sh
# Installs Claude Code into build/e2e with npm, unless that version is there.  No install scripts
# run; what is used of the package is its native binary, so that any version of node will do.
#
#   CLAUDE_VERSION=2.1.330 sh tests/e2e/install.sh
#   CLAUDE=/path/to/claude: that one is taken, nothing is installed
set -eu
cd "$(dirname "$0")/../.."
version=${CLAUDE_VERSION:-2.1.330}
[ -z "${CLAUDE:-}" ] || exit 0
dir=build/e2e
bin=$dir/node_modules/@anthropic-ai/claude-code-linux-x64/claude
is_there() { [ -x "$bin" ] && grep -q "\"version\": *\"$version\"" "${bin%/*}/package.json"; }
is_there && exit 0
command -v npm >/dev/null || sh tests/deps.sh nodejs npm
command -v npm >/dev/null || { echo "make e2e needs npm to install Claude Code" >&2; exit 1; }
echo "installing Claude Code $version into $dir"
mkdir -p "$dir"
echo '{"private":true}' >"$dir/package.json"
if ! timeout 600 npm install --prefix "$dir" --no-audit --no-fund --ignore-scripts --no-package-lock \
    --engine-strict=false "@anthropic-ai/claude-code@$version" >"$dir/npm.log" 2>&1 || ! is_there; then
	tail -20 "$dir/npm.log" >&2
	echo "npm could not install Claude Code $version; CLAUDE=/path/to/claude names one of yours" >&2
	exit 1
fi
