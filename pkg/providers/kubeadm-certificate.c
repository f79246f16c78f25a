/* Just enough of DER to find a certificate's notAfter, so that nodes need no program for it. */
#include "providers/kubeadm-node.h"
#include <string.h>
#include <time.h>

enum { DER_SEQUENCE = 0x30, DER_VERSION = 0xa0, DER_UTC_TIME = 0x17, DER_GENERAL_TIME = 0x18 };

typedef struct Der {
	const unsigned char *at, *end;
} Der;

/* Takes the next value off *d; ret: what is in it. */
static bool der_next(Der *d, unsigned char *ret_tag, Der *ret)
{
	if (d->end - d->at < 2)
		return false;
	*ret_tag = *d->at++;
	size_t n = *d->at++;
	if (n & 0x80) {
		size_t n_bytes = n & 0x7f;
		if (n_bytes == 0 || n_bytes > 3 || (size_t)(d->end - d->at) < n_bytes)
			return false;
		for (n = 0; n_bytes; n_bytes--)
			n = n << 8 | *d->at++;
	}
	if ((size_t)(d->end - d->at) < n)
		return false;
	*ret = (Der){ d->at, d->at + n };
	d->at += n;
	return true;
}

static bool der_enter(Der *d, unsigned char tag)
{
	unsigned char seen;
	Der in;
	if (!der_next(d, &seen, &in) || seen != tag)
		return false;
	*d = in;
	return true;
}

/* YYMMDDhhmmssZ or YYYYMMDDhhmmssZ, as RFC 5280 4.1.2.5 wants them. */
static bool der_time(unsigned char tag, const Der *d, int64_t *ret_sec)
{
	int v[7] = { 0 }, n = tag == DER_UTC_TIME ? 6 : tag == DER_GENERAL_TIME ? 7 : 0;
	if (n == 0 || d->end - d->at != 2 * n + 1 || d->at[2 * n] != 'Z')
		return false;
	for (int i = 0; i < 2 * n; i++) {
		if (!g_ascii_isdigit(d->at[i]))
			return false;
		v[i / 2] = v[i / 2] * 10 + (d->at[i] - '0');
	}
	int year = n == 7 ? v[0] * 100 + v[1] : v[0] + (v[0] < 50 ? 2000 : 1900);
	const int *rest = v + (n - 5);
	struct tm tm = { .tm_year = year - 1900,
		.tm_mon = rest[0] - 1,
		.tm_mday = rest[1],
		.tm_hour = rest[2],
		.tm_min = rest[3],
		.tm_sec = rest[4] };
	*ret_sec = timegm(&tm);
	return true;
}

/* Certificate { tbs { [0] version, serial, algorithm, issuer, validity { notBefore, notAfter } } */
static bool der_not_after(Der d, int64_t *ret_sec)
{
	unsigned char tag;
	Der in;
	if (!der_enter(&d, DER_SEQUENCE) || !der_enter(&d, DER_SEQUENCE) ||
		!der_next(&d, &tag, &in) || (tag == DER_VERSION && !der_next(&d, &tag, &in)))
		return false;
	return der_next(&d, &tag, &in) && der_next(&d, &tag, &in) && der_enter(&d, DER_SEQUENCE) &&
	       der_next(&d, &tag, &in) && der_next(&d, &tag, &in) && der_time(tag, &in, ret_sec);
}

bool certificate_not_after(const char *pem, int64_t *ret_sec)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----",
			  end[] = "-----END CERTIFICATE-----";
	const char *from = strstr(pem, begin), *to = from ? strstr(from, end) : NULL;
	size_t n;
	if (!to)
		return false;
	from += strlen(begin);
	g_autofree char *text = g_strndup(from, (size_t)(to - from));
	g_autofree unsigned char *der = g_base64_decode(text, &n);
	return der_not_after((Der){ der, der + n }, ret_sec);
}
