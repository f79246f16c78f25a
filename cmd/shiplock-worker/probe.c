#include "probe.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void try_open(void)
{
	open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static void try_socket(void)
{
	socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void try_exec(void)
{
	execl("/bin/true", "true", NULL);
}

static void try_fork(void)
{
	if (fork() == 0)
		_exit(0);
}

static void try_code(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void try_protect(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static void try_read_other(void)
{
	char c;
	ssize_t n = read(7, &c, 1);
	(void)n;
}

static void try_unlink(void)
{
	unlink("/tmp/shiplock-probe-never-there");
}

static void try_kill(void)
{
	kill(getppid(), 0);
}

static void try_memory(void)
{
	for (int i = 0; i < 64; i++) {
		char *p = g_malloc(16 << 20);
		memset(p, i + 1, 16 << 20);
		g_assert(p[i] == i + 1);
	}
}

static void try_cpu(void)
{
	for (volatile unsigned long n = 0;; n++)
		;
}

/* What must work, or the walls prove nothing. */
static void try_nothing(void)
{
	char *p = g_malloc0(1 << 20);
	g_free(p);
}

static const struct {
	const char *name;
	void (*run)(void);
} tries[] = {
	{ "nothing", try_nothing },
	{ "open", try_open },
	{ "socket", try_socket },
	{ "exec", try_exec },
	{ "fork", try_fork },
	{ "code", try_code },
	{ "protect", try_protect },
	{ "readOther", try_read_other },
	{ "unlink", try_unlink },
	{ "kill", try_kill },
	{ "memory", try_memory },
	{ "cpu", try_cpu },
};

json_t *probe_verb(const json_t *request, GError **err)
{
	const char *name = json_path_str(request, "try", "");
	for (size_t i = 0; i < G_N_ELEMENTS(tries); i++) {
		if (strcmp(tries[i].name, name) != 0)
			continue;
		tries[i].run();
		json_t *answer = json_object();
		json_object_set_new(answer, "survived", json_string(name));
		return answer;
	}
	sl_fail(err, SL_ERR_INVALID, "probe: there is no \"%s\"", name);
	return NULL;
}
