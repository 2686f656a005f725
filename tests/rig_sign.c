/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig_sign - an issuer's signing key for the scenarios: sys.key() makes a P-256 key,
 * key:jwk(kid) its public half as JSON, key:jwt(header, claims) a signed token of two JSON texts.
 * sys.hmac(key, text) is HMAC-SHA256 in hex.
 */
#include <lauxlib.h>
#include <lua.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "tests/rig.h"

#define KEY_TYPE "rig.key"

static EVP_PKEY *
key_of(lua_State *L)
{
	return *(EVP_PKEY **)luaL_checkudata(L, 1, KEY_TYPE);
}

static void
add_base64url(luaL_Buffer *b, const void *p, size_t n)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *s = p;

	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)s[i] << 16 | (i + 1 < n ? (unsigned)s[i + 1] << 8 : 0) |
			     (i + 2 < n ? s[i + 2] : 0);
		size_t chars = n - i >= 3 ? 4 : n - i + 1;

		for (size_t k = 0; k < chars; k++)
			luaL_addchar(b, digits[v >> (18 - 6 * k) & 63]);
	}
}

static void
add_number(luaL_Buffer *b, EVP_PKEY *key, const char *param)
{
	unsigned char bytes[32];
	BIGNUM *n = NULL;

	(void)EVP_PKEY_get_bn_param(key, param, &n);
	(void)BN_bn2binpad(n, bytes, sizeof(bytes));
	BN_free(n);
	add_base64url(b, bytes, sizeof(bytes));
}

static int
key_jwk(lua_State *L)
{
	EVP_PKEY *key = key_of(L);
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	luaL_addstring(&b, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"use\":\"sig\",\"kid\":\"");
	luaL_addstring(&b, luaL_checkstring(L, 2));
	luaL_addstring(&b, "\",\"x\":\"");
	add_number(&b, key, OSSL_PKEY_PARAM_EC_PUB_X);
	luaL_addstring(&b, "\",\"y\":\"");
	add_number(&b, key, OSSL_PKEY_PARAM_EC_PUB_Y);
	luaL_addstring(&b, "\"}");
	luaL_pushresult(&b);
	return 1;
}

static void
sign(EVP_PKEY *key, const char *text, size_t n, unsigned char out[64])
{
	unsigned char der[128];
	const unsigned char *p = der;
	size_t der_n = sizeof(der);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	ECDSA_SIG *both;

	(void)EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key);
	(void)EVP_DigestSign(md, der, &der_n, (const unsigned char *)text, n);
	both = d2i_ECDSA_SIG(NULL, &p, (long)der_n);
	(void)BN_bn2binpad(ECDSA_SIG_get0_r(both), out, 32);
	(void)BN_bn2binpad(ECDSA_SIG_get0_s(both), out + 32, 32);
	ECDSA_SIG_free(both);
	EVP_MD_CTX_free(md);
}

static int
key_jwt(lua_State *L)
{
	EVP_PKEY *key = key_of(L);
	unsigned char sig[64];
	size_t head_n, claims_n, n;
	const char *head = luaL_checklstring(L, 2, &head_n);
	const char *claims = luaL_checklstring(L, 3, &claims_n), *text;
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	add_base64url(&b, head, head_n);
	luaL_addchar(&b, '.');
	add_base64url(&b, claims, claims_n);
	luaL_pushresult(&b);
	text = lua_tolstring(L, -1, &n);
	sign(key, text, n, sig);
	luaL_buffinit(L, &b);
	luaL_addlstring(&b, text, n);
	luaL_addchar(&b, '.');
	add_base64url(&b, sig, sizeof(sig));
	luaL_pushresult(&b);
	return 1;
}

static int
key_gc(lua_State *L)
{
	EVP_PKEY_free(key_of(L));
	return 0;
}

static int
sys_key(lua_State *L)
{
	EVP_PKEY **key = lua_newuserdatauv(L, sizeof(EVP_PKEY *), 0);

	*key = EVP_EC_gen("P-256");
	luaL_setmetatable(L, KEY_TYPE);
	return 1;
}

static int
sys_hmac(lua_State *L)
{
	size_t key_n, n;
	const char *key = luaL_checklstring(L, 1, &key_n), *text = luaL_checklstring(L, 2, &n);
	unsigned char mac[32];
	luaL_Buffer b;

	(void)HMAC(EVP_sha256(), key, (int)key_n, (const unsigned char *)text, n, mac, NULL);
	luaL_buffinit(L, &b);
	for (size_t i = 0; i < sizeof(mac); i++) {
		luaL_addchar(&b, "0123456789abcdef"[mac[i] >> 4]);
		luaL_addchar(&b, "0123456789abcdef"[mac[i] & 15]);
	}
	luaL_pushresult(&b);
	return 1;
}

static const luaL_Reg METHODS[] = {
	{ "jwk", key_jwk },
	{ "jwt", key_jwt },
	{ NULL, NULL },
};

void
rig_add_sign(lua_State *L)
{
	if (luaL_newmetatable(L, KEY_TYPE)) {
		lua_newtable(L);
		luaL_setfuncs(L, METHODS, 0);
		lua_setfield(L, -2, "__index");
		lua_pushcfunction(L, key_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
	lua_pushcfunction(L, sys_key);
	lua_setfield(L, -2, "key");
	lua_pushcfunction(L, sys_hmac);
	lua_setfield(L, -2, "hmac");
}
