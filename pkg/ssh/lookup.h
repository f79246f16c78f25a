/* The addresses of a name, within a deadline: resolvers know none, so a process of its own asks. */
#pragma once
#include "ssh/deadline.h"
#include <sys/socket.h>

enum { LOOKUP_MAX = 8 };

typedef struct Addresses {
	struct {
		struct sockaddr_storage at;
		socklen_t len;
	} list[LOOKUP_MAX];
	size_t n;
} Addresses;

/* RETRY: there is none, nobody knows, or not within the deadline. */
bool lookup(const char *host, int port, const Deadline *deadline, Addresses *ret,
	GError **err) SL_MUST_USE;
