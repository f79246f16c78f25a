/* shiplock-sim replay SEED: the story that a test heard, told. */
#include "fleet/story.h"
#include "verbs.h"
#include <stdio.h>

static void tell(const char *line, void *ud)
{
	puts(line);
}

int verb_replay(const char *seed)
{
	char *end = NULL;
	uint64_t n = g_ascii_strtoull(seed, &end, 10);
	if (!*seed || *end) {
		fprintf(stderr, "shiplock-sim: replay: %s: is not a seed, which is a number\n",
			seed);
		return EXIT_USAGE;
	}
	StoryEnd e = story_run(n, tell, NULL);
	printf("seed %" G_GUINT64_FORMAT
	       ": %u records, %u crashes, %d of %d at a time, exit code %d\n",
		n, e.n_records, e.n_crashes, e.most_in_work, e.allowed_in_work, e.exit_code);
	if (e.broken)
		printf("broken: %s\n", e.broken);
	bool good = !e.broken;
	g_free(e.broken);
	return good ? 0 : 1;
}
