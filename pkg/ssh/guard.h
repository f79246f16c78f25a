/* The script that stands on the node between us and an effect. It travels with each call, nothing
 * is installed. In its state folder: "epoch" (the highest seen), "lock", and a folder for each job:
 * "cmd", "limit", "max", "epoch", "runner"; later "started" (boot id, uptime), "out", "dropped",
 * "code". A file is there whole or not at all. POSIX sh with coreutils and flock, setsid of
 * util-linux. */
#pragma once
#include "base/error.h"

char *guard_text(void); /* caller frees */
