/* A certificate made for a test, without its key. */
#pragma once
#include <glib.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

/* Ends at this second since 1970. Caller frees. */
static inline char *test_cert_pem(int64_t end_sec)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	X509 *x = X509_new();
	ASN1_TIME_set(X509_getm_notBefore(x), 0);
	ASN1_TIME_set(X509_getm_notAfter(x), end_sec);
	X509_set_pubkey(x, key);
	g_assert_cmpint(X509_sign(x, key, NULL), >, 0);
	BIO *out = BIO_new(BIO_s_mem());
	char *data;
	PEM_write_bio_X509(out, x);
	long n = BIO_get_mem_data(out, &data);
	char *pem = g_strndup(data, (size_t)n);
	BIO_free(out);
	X509_free(x);
	EVP_PKEY_free(key);
	return pem;
}
