#include "base/file.h"
#include "base/known-hosts.h"
#include "ssh/kexinit.h"
#include "ssh/lookup.h"
#include "ssh/session-private.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum { HEARD_MAX_BYTES = 64 << 10 };

/* Only what is sound today; host keys come from knownHosts. */
static const char kex_methods[] = "curve25519-sha256,curve25519-sha256@libssh.org,"
				  "ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
				  "diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,"
				  "diffie-hellman-group-exchange-sha256,"
				  "diffie-hellman-group14-sha256";
static const char ciphers[] = "aes256-ctr,aes192-ctr,aes128-ctr";
static const char macs[] = "hmac-sha2-256,hmac-sha2-512";
static const char *const host_key_types[] = { "ssh-ed25519", "ecdsa-sha2-nistp256",
	"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521" };

bool ssh_fail(Ssh *s, SlErr code, const char *doing, GError **err)
{
	char *text = NULL;
	libssh2_session_last_error(s->session, &text, NULL, 0);
	return sl_fail(err, code, "%s port %d: %s: %s", s->host, s->port, doing,
		text && *text ? text : "unknown error");
}

static bool wait_fail(const Ssh *s, WaitEnd end, GError **err)
{
	if (end == WAIT_SILENT)
		return sl_fail(err, SL_ERR_RETRY,
			"%s port %d: gives no sign of life for %d.%03d s; the connection is lost",
			s->host, s->port, s->n_silent * s->keepalive_msec / 1000,
			s->n_silent * s->keepalive_msec % 1000);
	unsigned msec = end == WAIT_LATE ? s->whole->msec : s->command->msec;
	return sl_fail(err, SL_ERR_RETRY, "%s port %d: %s within %u.%03u s", s->host, s->port,
		end == WAIT_LATE_COMMAND ? "the command did not end"
		: s->heard ? "accepts the connection and does not get through the greeting"
			   : "the session did not end",
		msec / 1000, msec % 1000);
}

bool ssh_wait(Ssh *s, GError **err)
{
	int want = libssh2_session_block_directions(s->session), next;
	short events = (short)(want & LIBSSH2_SESSION_BLOCK_OUTBOUND ? POLLIN | POLLOUT : POLLIN);
	WaitEnd end = deadline_wait(s->whole, s->command, s->fd, events, s->keepalive_msec);
	if (end == WAIT_READY)
		return true;
	if (end != WAIT_SILENT)
		return wait_fail(s, end, err);
	/* Before the login there is nothing to ask with: the deadline ends that. */
	if (s->heard)
		return true;
	if (++s->n_silent >= SSH_KEEPALIVE_LOST)
		return wait_fail(s, end, err);
	libssh2_keepalive_send(s->session, &next);
	return true;
}

static bool wait_connected(const Ssh *s, int fd, GError **err)
{
	int e = 0;
	socklen_t len = sizeof e;
	WaitEnd end = deadline_wait(s->whole, NULL, fd, POLLOUT, -1);
	if (end != WAIT_READY)
		return sl_fail(err, SL_ERR_RETRY, "no answer within %u.%03u s",
			s->whole->msec / 1000, s->whole->msec % 1000);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
		e = errno;
	return e == 0 || sl_fail(err, SL_ERR_RETRY, "%s", g_strerror(e));
}

static int connect_one(const Ssh *s, const struct sockaddr_storage *at, socklen_t len, GError **err)
{
	int one = 1;
	SL_AUTO_FD fd = socket(at->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || (connect(fd, (const struct sockaddr *)at, len) < 0 && errno != EINPROGRESS)) {
		sl_fail(err, SL_ERR_RETRY, "%s", g_strerror(errno));
		return -1;
	}
	if (!wait_connected(s, fd, err))
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	int mine = fd;
	fd = -1;
	return mine;
}

static bool reach(Ssh *s, GError **err)
{
	Addresses all;
	g_autoptr(GError) why = NULL;
	if (!lookup(s->host, s->port, s->whole, &all, err))
		return false;
	for (size_t i = 0; i < all.n && s->fd < 0; i++) {
		g_clear_error(&why);
		s->fd = connect_one(s, &all.list[i].at, all.list[i].len, &why);
	}
	return s->fd >= 0 || sl_fail(err, SL_ERR_RETRY, "%s port %d: cannot be reached: %s",
				     s->host, s->port, why ? why->message : "no address");
}

/* Any byte is a sign of life. Keeps what the server says before encryption, which is the list of
 * what it offers. */
static LIBSSH2_RECV_FUNC(on_recv)
{
	Ssh *s = *abstract;
	ssize_t n = recv(socket, buffer, length, flags);
	if (n < 0)
		return -errno;
	s->n_silent = 0;
	if (s->heard && s->heard->len < HEARD_MAX_BYTES)
		g_byte_array_append(s->heard, buffer, (unsigned)n);
	return n;
}

/* What we ask the server for, of the types that knownHosts lists; "" when none will do. */
static char *wanted_host_keys(const KnownHosts *known)
{
	GString *want = g_string_new("");
	g_autofree char *listed = known_hosts_types(known);
	g_auto(GStrv) types = g_strsplit(listed, ",", -1);
	for (size_t i = 0; i < G_N_ELEMENTS(host_key_types); i++)
		if (g_strv_contains((const char *const *)types, host_key_types[i]))
			g_string_append_printf(
				want, "%s%s", want->len ? "," : "", host_key_types[i]);
	return g_string_free(want, FALSE);
}

static bool prefer(Ssh *s, const char *host_keys, GError **err)
{
	const struct {
		int method;
		const char *list;
	} prefs[] = {
		{ LIBSSH2_METHOD_KEX, kex_methods },
		{ LIBSSH2_METHOD_HOSTKEY, host_keys },
		{ LIBSSH2_METHOD_CRYPT_CS, ciphers },
		{ LIBSSH2_METHOD_CRYPT_SC, ciphers },
		{ LIBSSH2_METHOD_MAC_CS, macs },
		{ LIBSSH2_METHOD_MAC_SC, macs },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(prefs); i++)
		if (libssh2_session_method_pref(s->session, prefs[i].method, prefs[i].list) != 0)
			return ssh_fail(s, SL_ERR_REFUSED, prefs[i].list, err);
	return true;
}

static bool greet_fail(Ssh *s, int rc, const char *host_keys, GError **err)
{
	g_auto(Kexinit) server = { 0 };
	const char *const ours[KEX_N_LISTS] = { kex_methods, host_keys, ciphers, ciphers, macs,
		macs };
	g_autofree char *gap = NULL;
	if (kexinit_parse(s->heard->data, s->heard->len, &server))
		gap = kexinit_gap(&server, ours);
	if (gap)
		return sl_fail(err, SL_ERR_REFUSED,
			"%s port %d: its sshd and we have no algorithm in common: %s", s->host,
			s->port, gap);
	if (rc == LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE || rc == LIBSSH2_ERROR_HOSTKEY_INIT ||
		rc == LIBSSH2_ERROR_HOSTKEY_SIGN)
		return ssh_fail(s, SL_ERR_REFUSED, "the key exchange failed", err);
	return ssh_fail(s, SL_ERR_RETRY, "the greeting failed", err);
}

static bool judge_host_key(Ssh *s, const KnownHosts *known, GError **err)
{
	size_t len = 0;
	int type;
	const char *key = libssh2_session_hostkey(s->session, &len, &type);
	switch (key ? known_hosts_judge(known, key, len) : HOST_KEY_UNKNOWN) {
	case HOST_KEY_KNOWN:
		return true;
	case HOST_KEY_REVOKED:
		return sl_fail(err, SL_ERR_REFUSED,
			"%s port %d: its host key is revoked in knownHosts", s->host, s->port);
	default:
		return sl_fail(err, SL_ERR_REFUSED,
			"%s port %d: its host key is not the one in knownHosts; it was installed "
			"anew, or somebody is in between",
			s->host, s->port);
	}
}

static bool greet(Ssh *s, const SshTarget *t, GError **err)
{
	int rc;
	g_autoptr(KnownHosts) known = known_hosts_parse(t->known_hosts, s->host, s->port);
	g_autofree char *host_keys = wanted_host_keys(known);
	g_autofree char *listed = known_hosts_types(known);
	if (!*host_keys && *listed)
		return sl_fail(err, SL_ERR_REFUSED,
			"%s port %d: knownHosts has only keys of type %s for it; add its ed25519 "
			"or ECDSA key",
			s->host, s->port, listed);
	if (!*host_keys)
		return sl_fail(err, SL_ERR_REFUSED,
			"%s port %d: no host key is known; put one into knownHosts (ssh-keyscan -p "
			"%d %s, then compare it)",
			s->host, s->port, s->port, s->host);
	if (!prefer(s, host_keys, err))
		return false;
	if (!SSH_AGAIN(s, rc, libssh2_session_handshake(s->session, s->fd), err))
		return false;
	if (rc != 0)
		return greet_fail(s, rc, host_keys, err);
	return judge_host_key(s, known, err);
}

Ssh *ssh_open(const SshTarget *t, const Deadline *session, GError **err)
{
	g_autoptr(Ssh) s = g_new0(Ssh, 1);
	s->host = g_strdup(t->host);
	s->port = t->port;
	s->keepalive_msec = t->keepalive_msec;
	s->whole = session;
	s->fd = -1;
	s->heard = g_byte_array_new();
	if (libssh2_init(0) != 0 || !(s->session = libssh2_session_init_ex(NULL, NULL, NULL, s))) {
		sl_fail(err, SL_ERR_RETRY, "libssh2 does not start");
		return NULL;
	}
	libssh2_session_set_blocking(s->session, 0);
	/* A member of a union is the way C allows to hand a function over as void *. */
	union {
		LIBSSH2_RECV_FUNC((*func));
		void *ptr;
	} recv_func = { on_recv };
	libssh2_session_callback_set(s->session, LIBSSH2_CALLBACK_RECV, recv_func.ptr);
	if (!reach(s, err) || !greet(s, t, err) || !ssh_login(s, t, err))
		return NULL;
	g_clear_pointer(&s->heard, g_byte_array_unref);
	libssh2_keepalive_config(s->session, 1, 1);
	return g_steal_pointer(&s);
}

void ssh_close(Ssh *s)
{
	if (!s)
		return;
	/* The socket's end says it all; a goodbye could only block. */
	if (s->fd >= 0)
		shutdown(s->fd, SHUT_RDWR);
	if (s->session)
		libssh2_session_free(s->session);
	sl_close(&s->fd);
	g_clear_pointer(&s->heard, g_byte_array_unref);
	g_free(s->host);
	g_free(s);
}
