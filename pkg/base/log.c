#include "base/log.h"

void sl_log_fields(
	Log log, LogLevel level, const LogField *fields, size_t n_fields, const char *fmt, ...)
{
	if (!log.ops || level > log.max_level)
		return;
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *message = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	log.ops->write(log.self, &(LogEntry){
					 .level = level,
					 .message = message,
					 .fields = fields,
					 .n_fields = MIN(n_fields, (size_t)LOG_MAX_FIELDS),
				 });
}
