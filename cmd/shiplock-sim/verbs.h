/* The verbs of shiplock-sim; each returns an exit code. */
#pragma once
#include "options.h"

int verb_play(const Options *o);
int verb_serve(const Options *o);
int verb_replay(const char *seed);

/* One line "shiplock-sim: what: where: why" on stderr; returns 1. Frees err. */
int sim_complain(const char *what, GError *err);
