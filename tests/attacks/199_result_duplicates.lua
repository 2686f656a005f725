-- class: result
-- expect: DONE
-- match: ^\{\"a\":null,\"b\":2\}$
-- note: a key that comes twice: the last one counts, null as well
return json.encode(call("hostile twice", ""))
