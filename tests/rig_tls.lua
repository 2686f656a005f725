-- SPDX-License-Identifier: Apache-2.0
--
-- rig_tls - certificates, made by the openssl command when a test asks for one.
--
--   local c = certificate { name = "localhost" }             self-signed; or by = another one
--   c.cert, c.key                                            paths of PEM files
--   client { port = p, tls = { ca = c.cert, name = "localhost" } }
--   provider { tls = c }                                     https://localhost:PORT
--   c:again { name = "other" }                               new ones at the same paths
--
-- options of a client's tls: ca (nil: anybody is believed), name, alpn, cert and key of its own.

local Certificate = {}
Certificate.__index = Certificate

local function openssl(argv)
	local p = process(table.move(argv, 1, #argv, 2, { "/usr/bin/openssl" }))
	if p:wait() ~= 0 then rig.fail("openssl: " .. p.err) end
end

local function make(o, cert, key)
	local argv = { "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
		"-keyout", key, "-out", cert, "-days", tostring(o.days or 30), "-subj", "/CN=" .. o.name,
		"-addext", "subjectAltName=DNS:" .. o.name }
	if o.by then
		for _, a in ipairs { "-CA", o.by.cert, "-CAkey", o.by.key, "-addext", "basicConstraints=critical,CA:FALSE" } do
			argv[#argv + 1] = a
		end
	end
	openssl(argv)
end

local made = 0
function certificate(o)
	made = made + 1
	local base = rig.scratch() .. "/certificate" .. made
	local c = setmetatable({ cert = base .. ".pem", key = base .. ".key" }, Certificate)
	make(o, c.cert, c.key)
	return c
end

-- Written elsewhere and moved here, as those who renew do.
function Certificate:again(o)
	make(o, self.cert .. ".new", self.key .. ".new")
	assert(os.rename(self.key .. ".new", self.key))
	assert(os.rename(self.cert .. ".new", self.cert))
end

-- The handshake's failure as a text; nil when it succeeds.  With TLS 1.3 a server's refusal of the
-- client's certificate comes after the client's last step, so one read belongs to it.
function tls_refusal(c)
	local ok, why = pcall(c.wire, c)
	if not ok then return type(why) == "table" and why.tls or tostring(why) end
	c:send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if c:recv() then return nil end
	return c.w.ended
end
