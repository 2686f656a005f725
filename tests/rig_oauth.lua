-- SPDX-License-Identifier: Apache-2.0
--
-- rig_oauth - a fake authorization server, and what a person's browser does there.
--
--   local as = issuer { methods = { "client_secret_post" } }
--     methods                 how clients prove themselves (default client_secret_basic)
--     register = false        no registration of clients
--     metadata = { ... }      members of its metadata, over the usual ones
--     lives = 3600            seconds that a token is good for
--     iss = "..."             what comes back as iss (false: nothing; default its own name)
--   mcp_server "x" { tokens = as }   takes only this issuer's tokens, and says where they come from
--
--   as.url                    its name
--   as.asked[i]               { path, query or form, headers }
--   as.tokens[access]         true while it is good
--   as:revoke()               no token is good any more; as:forget(): nor any refresh token
--   as:bring(claims, header)  a signed token of its own: { sub = "ana", aud = ... }, good for an hour
--   as:rotate()               another signing key takes the place of the old one
--   as:consent(address)       the person says yes: -> the address that the browser is sent back to

local Issuer = {}
Issuer.__index = Issuer

local function unescape(s)
	return (s:gsub("+", " "):gsub("%%(%x%x)", function(h) return string.char(tonumber(h, 16)) end))
end

function form(s)
	local out = {}
	for k, v in (s or ""):gmatch("([^&=]+)=([^&]*)") do out[unescape(k)] = unescape(v) end
	return out
end

function Issuer:metadata()
	local m = { issuer = self.url, authorization_endpoint = self.url .. "/authorize", token_endpoint = self.url .. "/token",
		code_challenge_methods_supported = json.array { "S256" },
		token_endpoint_auth_methods_supported = json.array(self.o.methods or { "client_secret_basic" }),
		authorization_response_iss_parameter_supported = self.o.iss ~= false, jwks_uri = self.url .. "/keys" }
	if self.o.register ~= false then m.registration_endpoint = self.url .. "/register" end
	for k, v in pairs(self.o.metadata or {}) do m[k] = v end
	return m
end

local function refuse(word) return 400, { error = word, error_description = "secret words of the issuer" } end

function Issuer:grant(scope)
	self.n, scope = self.n + 1, not self.o.narrow and scope or nil
	local access, refresh = "access-" .. self.n, "refresh-" .. self.n
	self.tokens[access], self.scopes[access], self.refreshes[refresh] = true, scope or "", scope or ""
	return 200, { access_token = access, refresh_token = refresh, token_type = "Bearer", scope = scope,
		expires_in = self.o.lives or 3600 }
end

function Issuer:token(f, headers)
	if self.o.broken then return 500, {} end
	if f.grant_type == "client_credentials" then return self:grant(f.scope) end
	if f.grant_type == "refresh_token" then
		local scope = self.refreshes[f.refresh_token]
		self.refreshes[f.refresh_token or ""] = nil
		if not scope then return refuse "invalid_grant" end
		return self:grant(scope)
	end
	local c = self.codes[f.code]
	self.codes[f.code or ""] = nil
	if f.grant_type ~= "authorization_code" or not c then return refuse "invalid_grant" end
	if c.redirect_uri ~= f.redirect_uri or #(f.code_verifier or "") < 43 then return refuse "invalid_grant" end
	return self:grant(c.scope)
end

function Issuer:serve(w)
	while true do
		local r = w:request()
		if not r then return end
		local path, query = r.target:match("^([^?]*)%??(.*)$")
		local status, body = 404, {}
		self.asked[#self.asked + 1] = { path = path, query = form(query), form = form(r.body), headers = r.headers, json = r.json }
		if path == "/.well-known/oauth-authorization-server" then
			status, body = 200, self:metadata()
		elseif path == "/register" then
			status, body = 201, { client_id = "client-1", client_secret = "s3cret of client", redirect_uris = r.json.redirect_uris,
				token_endpoint_auth_method = r.json.token_endpoint_auth_method }
		elseif path == "/keys" then
			if not w:reply(self.o.broken and 500 or 200, '{"keys":[' .. self.key:jwk(self.kid) .. "]}") then return end
			goto next
		elseif path == "/token" then
			status, body = self:token(form(r.body), r.headers)
		end
		if not w:reply(status, json.encode(body)) then return end
		::next::
	end
end

function Issuer:rotate()
	self.turns = self.turns + 1
	self.key, self.kid = sys.key(), "key-" .. self.turns
end

function Issuer:bring(claims, header)
	local all = { iss = self.url, exp = os.time() + 3600 }
	for k, v in pairs(claims) do all[k] = v ~= false and v or nil end
	return self.key:jwt(header or '{"alg":"ES256","typ":"at+jwt","kid":"' .. self.kid .. '"}', json.encode(all))
end

function Issuer:paths()
	local out = {}
	for i, a in ipairs(self.asked) do out[i] = a.path end
	return out
end

function Issuer:revoke() self.tokens = {} end
function Issuer:forget()
	self.tokens, self.refreshes = {}, {}
end

function Issuer:consent(address)
	local base, query = address:match("^([^?]*)%?(.*)$")
	expect(base):is(self.url .. "/authorize")
	local q = form(query)
	expect(q.response_type):is("code")
	expect(q.code_challenge_method):is("S256")
	expect(#q.code_challenge):is(43)
	self.visits[#self.visits + 1] = q
	local code = "code-" .. #self.visits
	self.codes[code] = q
	local back = q.redirect_uri .. "?code=" .. code .. "&state=" .. q.state
	if self.o.iss ~= false then
		back = back .. "&iss=" .. (self.o.iss or self.url):gsub("[^%w]", function(c) return string.format("%%%02X", c:byte()) end)
	end
	return back
end

function issuer(o)
	local s = setmetatable({ o = o or {}, asked = {}, tokens = {}, scopes = {}, refreshes = {}, codes = {}, visits = {}, n = 0, turns = 0 }, Issuer)
	s:rotate()
	s.url = "http://127.0.0.1:" .. rig.server(function(w) s:serve(w) end)
	return s
end

-- What a server that takes only an issuer's tokens says first: nil when the request may go on.
function rig.token_check(server, r)
	local as, where = server.options.tokens, server.url:gsub("/mcp$", "")
	if r.target == "/.well-known/oauth-protected-resource/mcp" then
		return 200, json.encode { resource = server.options.resource or server.url,
			authorization_servers = json.array { as.url }, scopes_supported = server.options.scopes and json.array(server.options.scopes) }
	end
	local token = (r.headers.authorization or ""):match("^Bearer (.+)$")
	local needs = server.options.needs and server.options.needs(r)
	local more = { ["www-authenticate"] = 'Bearer resource_metadata="' .. where .. '/.well-known/oauth-protected-resource/mcp"' }
	if not token or not as.tokens[token] then return 401, "{}", more end
	if needs and not (" " .. as.scopes[token] .. " "):find(" " .. needs .. " ", 1, true) then
		more["www-authenticate"] = 'Bearer error="insufficient_scope", scope="' .. needs .. '"'
		return 403, "{}", more
	end
end
