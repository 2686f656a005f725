# SPDX-License-Identifier: Apache-2.0
#
# runner - runs a script of one of the forms that are Python, or nearly.  First line in: {"kind", "code", "servers"}.
# Each call goes out as a line {"call": [server, tool, arguments]}, its answer comes in as one; last {"value"} or {"error"}.
#   star   Bifrost's Starlark, of which these scripts use only what Python has too; `result` is the value
#   py     FastMCP's: `await call_tool(name, arguments)`, the value is what it returns
import asyncio
import json
import sys
import textwrap

ask = json.loads(sys.stdin.readline())


def call(server, tool, arguments):
    print(json.dumps({"call": [server, tool, arguments]}), flush=True)
    answer = json.loads(sys.stdin.readline())
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["value"]


class Server:
    def __init__(self, name):
        self.name = name

    def __getattr__(self, tool):
        return lambda **arguments: call(self.name, tool, arguments)


async def call_tool(name, arguments):
    server = next(s for s in ask["servers"] if name.startswith(s + "_"))
    return call(server, name[len(server) + 1:], arguments)


try:
    if ask["kind"] == "star":
        space = {name: Server(name) for name in ask["servers"]}
        exec(ask["code"], space)
        value = space.get("result")
    else:
        space = {"call_tool": call_tool}
        exec("async def script():\n" + textwrap.indent(ask["code"], "    "), space)
        value = asyncio.run(space["script"]())
    print(json.dumps({"value": value}), flush=True)
except Exception as e:
    print(json.dumps({"error": "%s: %s" % (type(e).__name__, e)}), flush=True)
