/* Keeps a pod's namespaces: waits for SIGTERM, and for children that have lost their parent.
 * `pause -v`, with which kubeadm tries out whether a pod runs, only tells its version. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	sigset_t all;
	int signo = 0;
	if (argc == 2 && strcmp(argv[1], "-v") == 0) {
		puts("pause of the range");
		return EXIT_SUCCESS;
	}
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	while (sigwait(&all, &signo) == 0) {
		if (signo == SIGTERM || signo == SIGINT)
			return EXIT_SUCCESS;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	return EXIT_FAILURE;
}
