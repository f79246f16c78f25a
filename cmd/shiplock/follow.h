/* Follows the controller's events until something is true. */
#pragma once
#include "client.h"

enum { FOLLOW_LOOK_MSEC = 500 /* between two looks while nothing happens */ };

typedef struct Follow {
	const char *socket;
	int64_t after; /* events from there on */
	void (*each)(const json_t *event, void *ud);
	/* Asked with a connection of its own after events and now and then: true ends it; so does
	 * err. */
	bool (*over)(Client *c, void *ud, GError **err);
	void *ud;
} Follow;

/* False: err says why it could not be followed. A signal (follow_signals) ends it as well. */
bool follow(const Follow *f, GError **err);
/* From now on SIGINT and SIGTERM are noted instead of ending the program. */
void follow_signals(void);
bool follow_interrupted(void);
