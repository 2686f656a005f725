/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls - certificates of a listener.  With crypto.c the second door to OpenSSL.
 *
 *   attached SSL_CTX (the listener's) --ClientHello, hello_cb()--> the current SSL_CTX (ours)
 *
 * A reload builds a whole new context from the files and exchanges it only when everything in it
 * fits together; connections hold a reference to the one they began with.
 *
 * Without client certificates a session may be resumed by ticket.  With them it may not: a resumed
 * session is not verified again, and would outlive a client_ca that was exchanged.
 */
#include "base/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TLS_MAGIC 0x746c7373u

struct stamp { /* what tells that a file was replaced or rewritten */
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

struct tls_server {
	uint32_t magic;
	struct tls_files files;
	struct stamp stamps[3];
	SSL_CTX *current;
};

/* ---- errors ---- */

/* OpenSSL's own words for the oldest queued error, which is the cause. */
static const char *
reason(void)
{
	unsigned long code = ERR_get_error();
	const char *text = code == 0 ? NULL : ERR_reason_error_string(code);

	ERR_clear_error();
	return text == NULL ? "unreadable" : text;
}

/* A key with a passphrase is refused: there is nobody to ask, and OpenSSL would ask the terminal.
 */
static int
no_passphrase(
    char *out, int size, int writing, void *ctx) // NOLINT(readability-non-const-parameter)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

/* ---- handshakes ---- */

static int
alpn_cb(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in,
    unsigned int n, void *ctx)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *picked = NULL;

	(void)ssl;
	(void)ctx;
	if (SSL_select_next_proto(&picked, out_n, ours, sizeof(ours) - 1, in, n) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = picked;
	return SSL_TLSEXT_ERR_OK;
}

/* libwebsockets' own would look for a virtual host of that name, and exchange our context. */
static int
name_cb(SSL *ssl, int *alert, void *ctx) // NOLINT(readability-non-const-parameter)
{
	(void)ssl;
	(void)alert;
	(void)ctx;
	return SSL_TLSEXT_ERR_OK;
}

static int
hello_cb(SSL *ssl, int *alert, void *ctx)
{
	struct tls_server *t = ctx;

	if (SSL_set_SSL_CTX(ssl, t->current) != NULL)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_INTERNAL_ERROR;
	return SSL_CLIENT_HELLO_ERROR;
}

/* ---- files ---- */

static bool
client_ca_load(SSL_CTX *c, const char *path, struct err *e)
{
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);

	if (names == NULL || SSL_CTX_load_verify_file(c, path) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return err_set(e, ERR_INVALID, "%s holds no PEM certificates (%s)", path, reason());
	}
	SSL_CTX_set_client_CA_list(c, names);
	return true;
}

bool
tls_ca_check(const char *path, struct err *e)
{
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
	bool ok = names != NULL;

	sk_X509_NAME_pop_free(names, X509_NAME_free);
	ERR_clear_error();
	return ok || err_set(e, ERR_INVALID, "%s holds no PEM certificates", path);
}

static SSL_CTX *
context_load(const struct tls_files *f, struct err *e)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());
	bool ok;

	if (c == NULL) {
		(void)err_set(e, ERR_INTERNAL, "no TLS context (%s)", reason());
		return NULL;
	}
	SSL_CTX_set_default_passwd_cb(c, no_passphrase);
	SSL_CTX_set_alpn_select_cb(c, alpn_cb, NULL);
	(void)SSL_CTX_set_tlsext_servername_callback(c, name_cb);
	ok = SSL_CTX_use_certificate_chain_file(c, f->cert) == 1 ||
	     err_set(e, ERR_INVALID, "%s is no PEM certificate (%s)", f->cert, reason());
	ok = ok && (SSL_CTX_use_PrivateKey_file(c, f->key, SSL_FILETYPE_PEM) == 1 ||
		       err_set(e, ERR_INVALID,
			   "%s is no PEM key without a passphrase, or not that of %s (%s)", f->key,
			   f->cert, reason()));
	ok = ok && (SSL_CTX_check_private_key(c) == 1 ||
		       err_set(e, ERR_INVALID, "%s is not the key of %s", f->key, f->cert));
	ok = ok && (f->client_ca == NULL || client_ca_load(c, f->client_ca, e));
	ERR_clear_error();
	if (ok)
		return c;
	SSL_CTX_free(c);
	return NULL;
}

static void
stamps_take(const struct tls_files *f, struct stamp out[3])
{
	const char *const paths[3] = { f->cert, f->key, f->client_ca };

	memset(out, 0, 3 * sizeof(*out));
	for (int i = 0; i < 3; i++) {
		struct stat st;

		if (paths[i] == NULL || stat(paths[i], &st) != 0)
			continue;
		out[i].dev = st.st_dev;
		out[i].ino = st.st_ino;
		out[i].size = st.st_size;
		out[i].changed = st.st_mtim;
	}
}

/* ---- the server ---- */

struct tls_server *
tls_server_new(const struct tls_files *f, struct err *e)
{
	struct tls_server *t = mem_zalloc(sizeof(*t));

	t->magic = TLS_MAGIC;
	t->files = *f;
	stamps_take(f, t->stamps);
	t->current = context_load(f, e);
	if (t->current != NULL)
		return t;
	free(t);
	return NULL;
}

void
tls_server_free(struct tls_server **tp)
{
	struct tls_server *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	IS(t, TLS_MAGIC);
	SSL_CTX_free(t->current);
	t->magic = 0;
	free(t);
}

bool
tls_server_changed(struct tls_server *t)
{
	struct stamp now[3];

	IS(t, TLS_MAGIC);
	stamps_take(&t->files, now);
	if (memcmp(now, t->stamps, sizeof(now)) == 0)
		return false;
	memcpy(t->stamps, now, sizeof(now));
	return true;
}

bool
tls_server_reload(struct tls_server *t, struct err *e)
{
	SSL_CTX *fresh;

	IS(t, TLS_MAGIC);
	stamps_take(&t->files, t->stamps);
	fresh = context_load(&t->files, e);
	if (fresh == NULL)
		return false;
	SSL_CTX_free(t->current); /* connections have references of their own */
	t->current = fresh;
	return true;
}

int
tls_server_days(const struct tls_server *t)
{
	X509 *cert = SSL_CTX_get0_certificate(t->current);
	int days = 0, seconds = 0;

	if (cert == NULL || ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)) != 1)
		return 0;
	return seconds < 0 && days == 0 ? -1 : days;
}

bool
tls_server_attach(struct tls_server *t, void *ssl_ctx, struct err *e)
{
	SSL_CTX *c = ssl_ctx;
	bool certs = t->files.client_ca != NULL;

	IS(t, TLS_MAGIC);
	if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_session_id_context(c, (const unsigned char *)"tollgate", 8) != 1 ||
	    (certs && SSL_CTX_set_num_tickets(c, 0) != 1))
		return err_set(e, ERR_INTERNAL, "the TLS context took no settings (%s)", reason());
	(void)SSL_CTX_set_options(
	    c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | (certs ? SSL_OP_NO_TICKET : 0));
	(void)SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	(void)SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(
	    c, certs ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_client_hello_cb(c, hello_cb, t);
	return true;
}

bool
tls_greeted(void *ssl)
{
	return SSL_is_init_finished(ssl) == 1;
}

void
tls_finish(void *ssl)
{
	if (SSL_is_init_finished(ssl))
		(void)SSL_shutdown(ssl);
	ERR_clear_error();
}
