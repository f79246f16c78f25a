#include "base/file.h"
#include "ssh/key.h"
#include "ssh/session-private.h"
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static bool check_key(const SshTarget *t, GError **err)
{
	switch (key_kind(t->key)) {
	case KEY_PLAIN:
		return true;
	case KEY_ENCRYPTED:
		return sl_fail(err, SL_ERR_REFUSED,
			"%s: the key has a passphrase and no agent is named; load it into an agent "
			"(ssh-add) and name its socket, or use a key without one",
			t->key_name);
	case KEY_RSA:
		return sl_fail(err, SL_ERR_REFUSED,
			"%s: RSA keys do not work with current servers: use ed25519 or ECDSA",
			t->key_name);
	default:
		return sl_fail(err, SL_ERR_INVALID, "%s: is no private key", t->key_name);
	}
}

/* Asks what the server takes; done when it takes us without proof. */
static bool ask_methods(Ssh *s, const SshTarget *t, bool *ret_done, GError **err)
{
	const char *list;
	while (!(list = libssh2_userauth_list(s->session, t->user, (unsigned)strlen(t->user)))) {
		if (libssh2_userauth_authenticated(s->session)) {
			*ret_done = true;
			return true;
		}
		if (libssh2_session_last_errno(s->session) != LIBSSH2_ERROR_EAGAIN)
			return ssh_fail(s, SL_ERR_RETRY, "asking how to log in", err);
		if (!ssh_wait(s, err))
			return false;
	}
	*ret_done = false;
	return strstr(list, "publickey") ||
	       sl_fail(err, SL_ERR_REFUSED,
		       "%s port %d: takes no key for user %s, only %s; allow "
		       "PubkeyAuthentication there",
		       s->host, s->port, t->user, list);
}

static bool login_by_key(Ssh *s, const SshTarget *t, GError **err)
{
	int rc;
	if (!SSH_AGAIN(s, rc,
		    libssh2_userauth_publickey_frommemory(s->session, t->user, strlen(t->user),
			    NULL, 0, t->key, strlen(t->key), NULL),
		    err))
		return false;
	switch (rc) {
	case 0:
		return true;
	case LIBSSH2_ERROR_AUTHENTICATION_FAILED:
	case LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED:
		return sl_fail(err, SL_ERR_REFUSED,
			"%s port %d: does not accept the key %s for user %s", s->host, s->port,
			t->key_name, t->user);
	case LIBSSH2_ERROR_SOCKET_DISCONNECT:
	case LIBSSH2_ERROR_SOCKET_RECV:
	case LIBSSH2_ERROR_SOCKET_SEND:
		return ssh_fail(s, SL_ERR_RETRY, "logging in", err);
	default:
		return ssh_fail(s, SL_ERR_REFUSED, t->key_name, err);
	}
}

static void agent_free(LIBSSH2_AGENT *a)
{
	libssh2_agent_disconnect(a);
	libssh2_agent_free(a);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LIBSSH2_AGENT, agent_free)

/* One identity after the other, RSA left out: those never work and cost tries. */
static bool try_identities(
	Ssh *s, const SshTarget *t, LIBSSH2_AGENT *agent, const char *name, GError **err)
{
	struct libssh2_agent_publickey *id = NULL;
	int rc, n = 0;
	while (libssh2_agent_get_identity(agent, &id, id) == 0) {
		if (key_blob_is_rsa(id->blob, id->blob_len))
			continue;
		n++;
		if (!SSH_AGAIN(s, rc, libssh2_agent_userauth(agent, t->user, id), err))
			return false;
		if (rc == 0)
			return true;
	}
	return sl_fail(err, SL_ERR_REFUSED,
		n ? "%s port %d: accepts none of the keys in the agent %s"
		  : "%s port %d: no ed25519 or ECDSA key in the agent %s",
		s->host, s->port, name);
}

static bool no_agent(const char *name, GError **err)
{
	return sl_fail(err, SL_ERR_REFUSED, "%s: no SSH agent answers there", name);
}

/* libssh2 waits for an agent without a bound: it is asked for its keys once before, within ours. */
static bool agent_answers(const Ssh *s, const char *name, GError **err)
{
	static const char list_keys[] = { 0, 0, 0, 1, 11 };
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	SL_AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (strlen(name) >= sizeof at.sun_path)
		return sl_fail(err, SL_ERR_INVALID,
			"%s: the path of an agent's socket has at most %zu characters", name,
			sizeof at.sun_path - 1);
	g_strlcpy(at.sun_path, name, sizeof at.sun_path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) < 0 ||
		send(fd, list_keys, sizeof list_keys, MSG_NOSIGNAL) != sizeof list_keys)
		return no_agent(name, err);
	return deadline_wait(s->whole, NULL, fd, POLLIN, -1) == WAIT_READY ||
	       sl_fail(err, SL_ERR_RETRY,
		       "%s: the SSH agent there does not answer within %u.%03u s", name,
		       s->whole->msec / 1000, s->whole->msec % 1000);
}

static bool login_by_agent(Ssh *s, const SshTarget *t, GError **err)
{
	const char *name = t->agent ? t->agent : g_getenv("SSH_AUTH_SOCK");
	g_autoptr(LIBSSH2_AGENT) agent = libssh2_agent_init(s->session);
	if (!name)
		return sl_fail(err, SL_ERR_REFUSED,
			"%s: no key is given and no agent is named (SSH_AUTH_SOCK is not set)",
			s->host);
	if (!agent_answers(s, name, err))
		return false;
	if (agent && t->agent)
		libssh2_agent_set_identity_path(agent, t->agent);
	if (!agent || libssh2_agent_connect(agent) != 0 ||
		libssh2_agent_list_identities(agent) != 0)
		return no_agent(name, err);
	return try_identities(s, t, agent, name, err);
}

bool ssh_login(Ssh *s, const SshTarget *t, GError **err)
{
	bool done;
	if (!ask_methods(s, t, &done, err))
		return false;
	return done ||
	       (t->key ? check_key(t, err) && login_by_key(s, t, err) : login_by_agent(s, t, err));
}
