/* A small HTTP/1.1 server on loopback for the simulated servers: answers at once, or a body that
 * goes on line by line, as a watch does. (pkg/web speaks server-sent events, which API servers do
 * not.) One thread, bounded; no TLS. */
#pragma once
#include "http/http-sim.h"
#include "loop/loop-event.h"

enum {
	SERVER_MAX_HEAD_BYTES = 64 << 10,
	SERVER_MAX_BODY_BYTES = 32 << 20,
	SERVER_MAX_QUEUED_BYTES = 64 << 20, /* not taken by the client yet: more, and it is cut */
	SERVER_MAX_CONNECTIONS = 1000,
};

typedef struct ServerOps {
	HttpSimHandler *request;
	/* NULL: there are no watches. is_watch decides on a request. */
	bool (*is_watch)(const HttpRequest *r);
	HttpSimWatch *watch;
	void (*gone)(uint64_t id, void *ud); /* the client of a watch left */
} ServerOps;

typedef struct Server Server;
/* Takes the listening descriptor over. The ops live as long as the server. */
Server *server_new(LoopEvent *l, int fd, const ServerOps *ops, void *ud);
void server_free(Server *s); /* gone is not called; NULL is fine */
int server_port(const Server *s);

/* A line of a watch that began; ids that ended are ignored. */
void server_line(Server *s, uint64_t id, const char *line);
void server_end(Server *s, uint64_t id);
