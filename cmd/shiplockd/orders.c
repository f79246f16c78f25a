#include "orders.h"

struct Order {
	int64_t id;
	int status; /* 0: open */
	char *text; /* what happens now, or why not */
	int64_t run;
	json_t *more;
};

struct Orders {
	GQueue list; /* Order, oldest first */
	int64_t last;
};

static void order_free(void *p)
{
	Order *o = p;
	g_free(o->text);
	json_decref(o->more);
	g_free(o);
}

Orders *orders_new(void)
{
	Orders *o = g_new0(Orders, 1);
	g_queue_init(&o->list);
	return o;
}

void orders_free(Orders *o)
{
	if (!o)
		return;
	g_queue_clear_full(&o->list, order_free);
	g_free(o);
}

/* Open ones stay: the fleet still holds them. */
static void trim(Orders *o)
{
	for (GList *l = o->list.head, *next; l && o->list.length >= ORDERS_KEEP; l = next) {
		next = l->next;
		Order *old = l->data;
		if (!old->status)
			continue;
		g_queue_delete_link(&o->list, l);
		order_free(old);
	}
}

Order *order_new(Orders *o)
{
	trim(o);
	Order *order = g_new0(Order, 1);
	order->id = ++o->last;
	g_queue_push_tail(&o->list, order);
	return order;
}

int status_of_error(const GError *err)
{
	switch ((SlErr)err->code) {
	case SL_ERR_INVALID:
		return 422;
	case SL_ERR_NOT_FOUND:
		return 404;
	case SL_ERR_CONFLICT:
	case SL_ERR_REFUSED:
		return 409;
	case SL_ERR_RETRY:
	case SL_ERR_UNKNOWN_OUTCOME:
	case SL_ERR_CANCELLED:
		break;
	}
	return 503;
}

void order_reply(const char *says, int64_t run, const GError *err, void *ud)
{
	Order *o = ud;
	o->status = err ? status_of_error(err) : 200;
	o->text = g_strdup(err ? err->message : says);
	o->run = run;
}

void order_refuse(Order *o, int status, const char *detail, json_t *more)
{
	o->status = status;
	o->text = g_strdup(detail);
	o->more = more;
}

void order_accepted(const Order *o, WebRequest *r)
{
	g_autofree char *path = g_strdup_printf("/v1/orders/%" G_GINT64_FORMAT, o->id);
	g_autoptr(json_t) v = json_pack("{s:I}", "order", (json_int_t)o->id);
	web_answer_header(r, "Location", path);
	web_answer_json(r, 202, v);
}

static const Order *find(const Orders *o, int64_t id)
{
	for (const GList *l = o->list.tail; l; l = l->prev)
		if (((const Order *)l->data)->id == id)
			return l->data;
	return NULL;
}

void orders_answer(const Orders *all, WebRequest *r, int64_t id)
{
	const Order *o = find(all, id);
	if (!o) {
		web_problem(r, 404,
			"there is no such order any more; shiplock status shows what is", NULL);
	} else if (!o->status) {
		order_accepted(o, r);
	} else if (o->status != 200) {
		web_problem(r, o->status, o->text, o->more);
	} else {
		g_autoptr(json_t) v = json_pack(
			"{s:s,s:I}", "says", o->text ? o->text : "", "run", (json_int_t)o->run);
		web_answer_json(r, 200, v);
	}
}
