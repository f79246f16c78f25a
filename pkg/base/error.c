#include "base/error.h"

GQuark sl_error_quark(void)
{
	return g_quark_from_static_string("shiplock");
}

bool sl_fail(GError **err, SlErr code, const char *fmt, ...)
{
	if (!err)
		return false;
	va_list ap;
	va_start(ap, fmt);
	g_assert(*err == NULL);
	*err = g_error_new_valist(SL_ERROR, code, fmt, ap);
	va_end(ap);
	return false;
}
