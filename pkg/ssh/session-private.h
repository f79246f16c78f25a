/* What session.c, login.c and call.c share. */
#pragma once
#include "ssh/session.h"
#include <libssh2.h>

struct Ssh {
	const SshTarget *target; /* only while it is opened, but for host and keepalive_msec */
	char *host;
	int port, keepalive_msec, n_silent;
	int fd;
	LIBSSH2_SESSION *session;
	const Deadline *whole, *command; /* command: NULL outside of calls */
	GByteArray *heard; /* what came before encryption; NULL afterwards */
};

/* Waits until libssh2 can go on after EAGAIN. */
bool ssh_wait(Ssh *s, GError **err);
/* libssh2's last words; false. */
bool ssh_fail(Ssh *s, SlErr code, const char *doing, GError **err);
/* Repeats a call of libssh2 while it would block; false when the wait ended. rc stays in *rc. */
#define SSH_AGAIN(s, rc, call, err)                                                                \
	({                                                                                         \
		bool went_on_ = true;                                                              \
		while (went_on_ && ((rc) = (call)) == LIBSSH2_ERROR_EAGAIN)                        \
			went_on_ = ssh_wait(s, err);                                               \
		went_on_;                                                                          \
	})

bool ssh_login(Ssh *s, const SshTarget *t, GError **err);
