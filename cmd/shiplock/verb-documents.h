/* The verbs about documents. argv[0] is the verb; the result is the exit code. */
#pragma once

int verb_check(int argc, char **argv);
int verb_schema(int argc, char **argv);
