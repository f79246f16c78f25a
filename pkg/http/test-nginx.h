/* For tests only: certificates made by openssl, and an nginx that speaks TLS with HTTP/2 on one
 * port and HTTP/1.1 on another. It reports what it saw of the client. */
#pragma once
#include "base/file.h"
#include "http/test-server.h"
#include <ftw.h>
#include <glib/gstdio.h>

typedef struct Nginx {
	char *dir;
	GPid pid;
	int port1, port2; /* HTTP/1.1, HTTP/2 */
} Nginx;

static inline void run_command(const char *dir, const char *line)
{
	g_autoptr(GError) err = NULL;
	g_auto(GStrv) argv = NULL;
	int status;
	g_assert_true(g_shell_parse_argv(line, NULL, &argv, &err));
	g_spawn_sync(dir, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
		NULL, NULL, &status, &err);
	g_assert_no_error(err);
	g_assert_cmpint(status, ==, 0);
}

static inline char *read_in(const char *dir, const char *name)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	char *text = sl_read_file(path, 64 << 20, NULL, NULL);
	g_assert_nonnull(text);
	return text;
}

static inline void write_in(const char *dir, const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	g_assert_true(sl_write_file(path, text, strlen(text), 0600, NULL));
}

/* ca.crt, other.crt (another authority), NAME.crt and NAME.key for server, one, two. */
static inline void make_certificates(const char *dir)
{
	static const char *const leaves[] = { "server", "one", "two" };
	static const char *const roots[] = { "ca", "other" };
	static const char key[] = "openssl req -x509 -nodes -days 2 -newkey ec "
				  "-pkeyopt ec_paramgen_curve:P-256";
	for (size_t i = 0; i < G_N_ELEMENTS(roots); i++) {
		g_autofree char *line =
			g_strdup_printf("%s -subj /CN=%s -keyout %s.key -out %s.crt", key, roots[i],
				roots[i], roots[i]);
		run_command(dir, line);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(leaves); i++) {
		g_autofree char *line = g_strdup_printf(
			"%s -CA ca.crt -CAkey ca.key -subj /CN=%s -keyout %s.key -out %s.crt "
			"-addext subjectAltName=DNS:inside,IP:127.0.0.1 "
			"-addext basicConstraints=critical,CA:false",
			key, leaves[i], leaves[i], leaves[i]);
		run_command(dir, line);
	}
}

static inline char *nginx_server(int port, const char *protocol)
{
	return g_strdup_printf(
		"server { listen 127.0.0.1:%d ssl%s; ssl_certificate server.crt;"
		" ssl_certificate_key server.key; ssl_client_certificate ca.crt;"
		" ssl_verify_client optional; root www; keepalive_requests 100000;"
		" location /who { return 200 '$ssl_server_name|$http_host|$ssl_client_s_dn|"
		"$server_protocol|$connection'; }"
		" location /slow { limit_rate 20k; alias www/lines; } }\n",
		port, protocol);
}

static inline void nginx_child(void *ud)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static inline bool port_answers(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port) };
	SL_AUTO_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
}

/* False when it ended, because someone took a port between our look and its start. */
static inline bool nginx_start(Nginx *n)
{
	static const char head[] =
		"daemon off; master_process off; worker_rlimit_nofile 1024; pid nginx.pid;"
		" error_log err.log; events { worker_connections 512; }\n"
		"http { access_log off; client_body_temp_path t1; proxy_temp_path t2;"
		" fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;"
		" default_type application/json;\n";
	char *const argv[] = { WIRE_STR("nginx"), WIRE_STR("-p"), n->dir, WIRE_STR("-e"),
		WIRE_STR("err.log"), WIRE_STR("-c"), WIRE_STR("conf"), NULL };
	int fd1 = wire_listen(&n->port1), fd2 = wire_listen(&n->port2);
	close(fd1);
	close(fd2);
	g_autofree char *one = nginx_server(n->port1, ""), *two = nginx_server(n->port2, " http2");
	g_autofree char *conf = g_strconcat(head, one, two, "}\n", NULL);
	write_in(n->dir, "conf", conf);
	g_assert_true(g_spawn_async(n->dir, (char **)argv, NULL,
		G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL,
		nginx_child, NULL, &n->pid, NULL));
	while (!port_answers(n->port2) || !port_answers(n->port1)) {
		if (waitpid(n->pid, NULL, WNOHANG) != 0)
			return false;
		poll(NULL, 0, 5);
	}
	return true;
}

/* www_lines: what /slow streams; it is also there at full speed as /lines. */
static inline Nginx nginx_new(const char *www_lines)
{
	Nginx n = { .dir = g_dir_make_tmp("sl-tls-XXXXXX", NULL) };
	g_autofree char *www = g_build_filename(n.dir, "www", NULL);
	make_certificates(n.dir);
	g_assert_cmpint(g_mkdir(www, 0755), ==, 0);
	g_chmod(n.dir, 0755);
	write_in(n.dir, "www/lines", www_lines);
	for (int tries = 0; !nginx_start(&n); tries++)
		g_assert_cmpint(tries, <, 10);
	return n;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline void nginx_free(Nginx *n)
{
	kill(n->pid, SIGKILL);
	waitpid(n->pid, NULL, 0);
	nftw(n->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	g_free(n->dir);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Nginx, nginx_free)
