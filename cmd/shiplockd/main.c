/* shiplockd: the controller. */
#include "daemon.h"
#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#define DEFAULT_CONFIG "/etc/shiplock/controller.yaml"
enum { EXIT_OK = 0, EXIT_USAGE = 64 };

static int usage(FILE *to, int code)
{
	fputs("usage: shiplockd [--config FILE]\n"
	      "       shiplockd --help | --version\n"
	      "  The controller that carries out upgrade plans. FILE is its ControllerConfig, by\n"
	      "  default " DEFAULT_CONFIG ". See shiplockd(8).\n",
		to);
	return code;
}

static int version(void)
{
	puts("shiplockd " SL_VERSION);
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	Daemon d = { .config_path = DEFAULT_CONFIG };
	for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (c == 'h')
			return usage(stdout, EXIT_OK);
		if (c == 'V')
			return version();
		if (c != 'c')
			return usage(stderr, EXIT_USAGE);
		d.config_path = optarg;
	}
	if (optind != argc)
		return usage(stderr, EXIT_USAGE);
	/* A limit on files is a write that fails, as on a full disk. */
	signal(SIGXFSZ, SIG_IGN);
	g_autoptr(LogSink) sink = log_sink_new("shiplockd", 2);
	d.log = log_sink_log(sink, LOG_LEVEL_INFO);
	return daemon_run(&d);
}
