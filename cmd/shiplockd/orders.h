/* Orders that were given over the API and wait for their durability. POST answers 202 with
 * {"order": N} and Location; GET /v1/orders/N answers 202 while it is open, then what became of it:
 * 200 with what happens now, or a problem (409 the screen was stale, 422 something is missing ...).
 */
#pragma once
#include "fleet/fleet.h"
#include "web/web.h"

enum { ORDERS_KEEP = 256 };

typedef struct Orders Orders;
typedef struct Order Order;
Orders *orders_new(void);
void orders_free(Orders *o); /* NULL is fine */

/* Borrowed; lives until the orders are freed or ORDERS_KEEP newer ones were given. */
Order *order_new(Orders *o);
/* The reply of the fleet; ud is the Order. */
FleetReply order_reply;
/* The order ends without having reached the fleet. more (taken, may be NULL): members of the
 * problem. */
void order_refuse(Order *o, int status, const char *detail, json_t *more);
void order_accepted(const Order *o, WebRequest *r);
/* GET /v1/orders/ID. */
void orders_answer(const Orders *o, WebRequest *r, int64_t id);

/* The HTTP status that an error of the fleet stands for. */
int status_of_error(const GError *err);
