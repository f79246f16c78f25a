#include "store/store.h"

void record_free(Record *r)
{
	if (!r)
		return;
	g_free(r->kind);
	g_free(r->body);
	g_free(r);
}
