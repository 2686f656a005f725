/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig_tls - TLS over the rig's descriptors, both sides, for the scenarios.
 *
 * sys.tls(fd, options) makes an object that Lua owns; it never closes the descriptor.  Reading and
 * writing answer like sys.read and sys.write; what waits for the other direction ("again" on a read
 * that wants to write) does not occur with TLS 1.3 once the handshake is over.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "tests/rig.h"

#define TLS_TYPE       "rig.tls"
#define READ_BYTES_MAX (256 * 1024)

struct tls {
	SSL *ssl;
};

static const char *
option(lua_State *L, const char *name)
{
	const char *s;

	lua_getfield(L, 2, name);
	s = lua_tostring(L, -1);
	lua_pop(L, 1);
	return s;
}

static int
why(lua_State *L)
{
	unsigned long code = ERR_get_error();
	const char *text = code == 0 ? NULL : ERR_reason_error_string(code);

	ERR_clear_error();
	lua_pushnil(L);
	lua_pushstring(L, text == NULL ? "cut" : text);
	return 2;
}

static bool
protos_put(SSL *ssl, const char *name)
{
	unsigned char wire[64];
	size_t n = strlen(name);

	if (n > 60)
		return false;
	wire[0] = (unsigned char)n;
	memcpy(wire + 1, name, n);
	return SSL_set_alpn_protos(ssl, wire, (unsigned)n + 1) == 0;
}

static bool
setup(lua_State *L, SSL_CTX *c, bool server)
{
	const char *cert = option(L, "cert"), *key = option(L, "key"), *ca = option(L, "ca");

	if (option(L, "max") != NULL)
		(void)SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION);
	if (ca != NULL) {
		if (SSL_CTX_load_verify_file(c, ca) != 1)
			return false;
		SSL_CTX_set_verify(
		    c, SSL_VERIFY_PEER | (server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
	}
	return cert == NULL || (SSL_CTX_use_certificate_chain_file(c, cert) == 1 &&
				   SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) == 1);
}

/* sys.tls(fd, { server, cert, key, ca, name, alpn, max }) -> tls | nil, why */
static int
sys_tls(lua_State *L)
{
	int fd = (int)luaL_checkinteger(L, 1);
	SSL_CTX *c;
	struct tls *t;
	bool server, ok;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_getfield(L, 2, "server");
	server = lua_toboolean(L, -1);
	lua_pop(L, 1);
	c = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	ok = c != NULL && setup(L, c, server);
	t = lua_newuserdatauv(L, sizeof(*t), 0);
	t->ssl = ok ? SSL_new(c) : NULL;
	SSL_CTX_free(c);
	if (t->ssl == NULL)
		return why(L);
	luaL_setmetatable(L, TLS_TYPE);
	(void)SSL_set_fd(t->ssl, fd);
	(void)SSL_set_mode(
	    t->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (server) {
		SSL_set_accept_state(t->ssl);
		return 1;
	}
	SSL_set_connect_state(t->ssl);
	if (option(L, "name") != NULL) {
		(void)SSL_set_tlsext_host_name(t->ssl, option(L, "name"));
		(void)SSL_set1_host(t->ssl, option(L, "name"));
	}
	if (option(L, "alpn") != NULL)
		(void)protos_put(t->ssl, option(L, "alpn"));
	return 1;
}

static struct tls *
tls_of(lua_State *L)
{
	return luaL_checkudata(L, 1, TLS_TYPE);
}

static int
failed(lua_State *L, const struct tls *t, int rc)
{
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		lua_pushnil(L);
		lua_pushliteral(L, "again");
		lua_pushliteral(L, "r");
		return 3;
	case SSL_ERROR_WANT_WRITE:
		lua_pushnil(L);
		lua_pushliteral(L, "again");
		lua_pushliteral(L, "w");
		return 3;
	case SSL_ERROR_ZERO_RETURN:
		lua_pushnil(L);
		lua_pushliteral(L, "eof");
		return 2;
	default:
		return why(L);
	}
}

/* tls:handshake() -> true | nil, "again", "r" or "w" | nil, why */
static int
tls_handshake(lua_State *L)
{
	struct tls *t = tls_of(L);
	int rc = SSL_do_handshake(t->ssl);

	if (rc != 1)
		return failed(L, t, rc);
	lua_pushboolean(L, 1);
	return 1;
}

/* tls:read(max) -> bytes | nil, "again" | "eof" (with close_notify) | "cut" | ... */
static int
tls_read(lua_State *L)
{
	struct tls *t = tls_of(L);
	lua_Integer max = luaL_optinteger(L, 2, 65536);
	luaL_Buffer b;
	char *p;
	int n;

	if (max < 1 || max > READ_BYTES_MAX)
		return luaL_error(L, "read of %d bytes", (int)max);
	p = luaL_buffinitsize(L, &b, (size_t)max);
	n = SSL_read(t->ssl, p, (int)max);
	luaL_pushresultsize(&b, n > 0 ? (size_t)n : 0);
	return n > 0 ? 1 : failed(L, t, n);
}

/* tls:write(bytes, offset) -> written | nil, why */
static int
tls_write(lua_State *L)
{
	struct tls *t = tls_of(L);
	size_t size;
	const char *p = luaL_checklstring(L, 2, &size);
	lua_Integer from = luaL_optinteger(L, 3, 0);
	int n;

	if (from < 0 || (size_t)from > size)
		return luaL_error(L, "write past the end");
	n = SSL_write(t->ssl, p + from, (int)(size - (size_t)from));
	if (n <= 0)
		return failed(L, t, n);
	lua_pushinteger(L, n);
	return 1;
}

/* tls:info() -> { version, alpn, name }: name is the CN of the peer's certificate. */
static int
tls_info(lua_State *L)
{
	struct tls *t = tls_of(L);
	const unsigned char *alpn;
	unsigned n;
	X509 *cert = SSL_get0_peer_certificate(t->ssl);
	char cn[256];

	lua_newtable(L);
	lua_pushstring(L, SSL_get_version(t->ssl));
	lua_setfield(L, -2, "version");
	SSL_get0_alpn_selected(t->ssl, &alpn, &n);
	lua_pushlstring(L, n > 0 ? (const char *)alpn : "", n);
	lua_setfield(L, -2, "alpn");
	if (cert != NULL && X509_NAME_get_text_by_NID(
				X509_get_subject_name(cert), NID_commonName, cn, sizeof(cn)) > 0) {
		lua_pushstring(L, cn);
		lua_setfield(L, -2, "name");
	}
	return 1;
}

static int
tls_gc(lua_State *L)
{
	struct tls *t = tls_of(L);

	SSL_free(t->ssl);
	t->ssl = NULL;
	return 0;
}

static const luaL_Reg METHODS[] = {
	{ "handshake", tls_handshake },
	{ "read", tls_read },
	{ "write", tls_write },
	{ "info", tls_info },
	{ NULL, NULL },
};

void
rig_add_tls(lua_State *L)
{
	if (luaL_newmetatable(L, TLS_TYPE)) {
		lua_newtable(L);
		luaL_setfuncs(L, METHODS, 0);
		lua_setfield(L, -2, "__index");
		lua_pushcfunction(L, tls_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
	lua_pushcfunction(L, sys_tls);
	lua_setfield(L, -2, "tls");
}
