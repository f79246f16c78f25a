/* The end of a certificate: both forms of time that X.509 has, and what is no certificate. */
#include "creds/certificate.h"
#include "creds/test-cert.h"
#include <string.h>

static void test_ends(void)
{
	/* 2049 is the last year of the short form. */
	static const int64_t ends[] = { 0, 1795132800, 2524607999, 2524608000, 4102444800 };
	for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
		g_autofree char *pem = test_cert_pem(ends[i]);
		g_autofree char *behind = g_strconcat("a line before\n", pem, pem, NULL);
		int64_t at = -1;
		g_assert_true(certificate_not_after(pem, &at));
		g_assert_cmpint(at, ==, ends[i]);
		g_assert_true(certificate_not_after(behind, &at));
		g_assert_cmpint(at, ==, ends[i]);
	}
}

static void test_none(void)
{
	g_autofree char *pem = test_cert_pem(1795132800);
	int64_t at;
	for (size_t n = 0; n + 2 < strlen(pem); n++) {
		g_autofree char *cut = g_strndup(pem, n);
		g_assert_false(certificate_not_after(cut, &at));
	}
	g_autofree char *body = g_strndup(strchr(pem, '\n') + 1, 40);
	g_autofree char *torn = g_strdup_printf(
		"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n", body);
	g_assert_false(certificate_not_after(torn, &at));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/certificate/ends", test_ends);
	g_test_add_func("/certificate/none", test_none);
	return g_test_run();
}
