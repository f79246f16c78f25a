/* The editor of manifests in a process of its own: the file comes from a repository that others
 * write to, and the process that holds the credentials must not be the one that parses it. */
#pragma once
#include "git/git.h"

extern const GitEditor worker_editor;
