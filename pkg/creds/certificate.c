#include "creds/certificate.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <time.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)

bool certificate_not_after(const char *pem, int64_t *ret_sec)
{
	g_autoptr(BIO) text = BIO_new_mem_buf(pem, (int)strlen(pem));
	g_autoptr(X509) x = text ? PEM_read_bio_X509(text, NULL, NULL, NULL) : NULL;
	struct tm tm;
	if (!x || !ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm)) {
		ERR_clear_error();
		return false;
	}
	*ret_sec = timegm(&tm);
	return true;
}
