#include "sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

G_DEFINE_AUTO_CLEANUP_FREE_FUNC(scmp_filter_ctx, seccomp_release, NULL)

static bool limit(int what, rlim_t soft, rlim_t hard, GError **err)
{
	struct rlimit r = { soft, hard };
	if (setrlimit(what, &r) == 0)
		return true;
	return sl_fail(err, SL_ERR_REFUSED, "sandbox: limit %d: %s", what, g_strerror(errno));
}

/* What memory, time and a clean end need, whatever the arguments. */
static const int free_calls[] = {
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getrandom),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

static int allow_free(scmp_filter_ctx ctx)
{
	int r = 0;
	for (size_t i = 0; i < G_N_ELEMENTS(free_calls) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, free_calls[i], 0);
	return r;
}

static int allow_narrow(scmp_filter_ctx ctx)
{
	/* Memory that is no file and never becomes code. */
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
		SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SCMP_SYS(read), 1, SCMP_A0(SCMP_CMP_EQ, STDIN_FILENO));
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO && r == 0; fd++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)fd));
	/* libfyaml asks whether stderr is a terminal: it is not. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_EQ, TCGETS));
	/* abort() of this process, so that running out of memory is told apart from an attack. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	return r;
}

static bool enter_pure(GError **err)
{
	/* jansson seeds its hash from /dev/urandom at its first object. */
	json_object_seed(0);
	g_auto(scmp_filter_ctx) ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = ctx ? allow_free(ctx) : -ENOMEM;
	if (r == 0)
		r = allow_narrow(ctx);
	if (r == 0)
		r = seccomp_load(ctx);
	return r == 0 || sl_fail(err, SL_ERR_REFUSED, "sandbox: seccomp: %s", g_strerror(-r));
}

bool sandbox_enter(const Walls *w, GError **err)
{
	pid_t starter = getppid();
	umask(077);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		(!SANITIZED && prctl(PR_SET_DUMPABLE, 0) < 0))
		return sl_fail(err, SL_ERR_REFUSED, "sandbox: %s", g_strerror(errno));
	if (getppid() != starter)
		return sl_fail(err, SL_ERR_CANCELLED, "the starter is gone");
	if (!limit(RLIMIT_CORE, 0, 0, err) ||
		!limit(RLIMIT_CPU, w->cpu_sec, (rlim_t)w->cpu_sec + 1, err) ||
		!limit(RLIMIT_FSIZE, w->file_bytes, w->file_bytes, err))
		return false;
	if (w->memory_bytes && !SANITIZED &&
		!limit(RLIMIT_AS, w->memory_bytes, w->memory_bytes, err))
		return false;
	return !w->pure || SANITIZED || enter_pure(err);
}
