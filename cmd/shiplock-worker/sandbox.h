/* The walls around a verb, put up before its input is read. */
#pragma once
#include "base/error.h"

typedef struct Walls {
	unsigned cpu_sec; /* processor time: SIGXCPU, then SIGKILL a second later */
	size_t memory_bytes; /* address space; 0 = no bound; sanitizer builds have none */
	size_t file_bytes; /* the largest file it may write */
	bool pure; /* only stdin, stdout, stderr and memory: anything else is SIGSYS; not in
		      sanitizer builds */
} Walls;

/* Always: no core, no new privileges, killed when the starter dies, files for the owner only. */
bool sandbox_enter(const Walls *w, GError **err) SL_MUST_USE;
