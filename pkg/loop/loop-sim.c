#include "loop/loop-sim.h"
#include <string.h>

typedef struct {
	int64_t at;
	uint64_t id; /* grows with each timer: also the order among equal times */
	LoopFn *fn; /* NULL: cancelled */
	void *ud;
	const LoopSimProc *proc;
} Event;

struct LoopSimProc {
	LoopSim *sim;
};

struct LoopSim {
	Event **heap;
	size_t n, cap;
	GHashTable *pending; /* id -> Event, for cancelling; never iterated */
	int64_t now, wall_offset;
	uint64_t next_id, rng, n_run;
	LoopSimProc world;
};

static bool before(const Event *a, const Event *b)
{
	return a->at != b->at ? a->at < b->at : a->id < b->id;
}

static void sift_up(LoopSim *s, size_t i)
{
	Event *e = s->heap[i];
	for (; i > 0 && before(e, s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = e;
}

static void sift_down(LoopSim *s, size_t i)
{
	Event *e = s->heap[i];
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= s->n)
			break;
		if (child + 1 < s->n && before(s->heap[child + 1], s->heap[child]))
			child++;
		if (!before(s->heap[child], e))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = e;
}

static int64_t sim_boot(void *self)
{
	return ((LoopSimProc *)self)->sim->now;
}

static int64_t sim_wall(void *self)
{
	const LoopSim *s = ((LoopSimProc *)self)->sim;
	return s->now + s->wall_offset;
}

static uint64_t sim_timer(void *self, int64_t at_usec, LoopFn *fn, void *ud)
{
	LoopSimProc *p = self;
	LoopSim *s = p->sim;
	g_assert(fn);
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->heap = g_renew(Event *, s->heap, s->cap);
	}
	Event *e = g_new(Event, 1);
	*e = (Event){ MAX(at_usec, s->now), ++s->next_id, fn, ud, p };
	g_hash_table_insert(s->pending, &e->id, e);
	s->heap[s->n] = e;
	sift_up(s, s->n++);
	return s->next_id;
}

static void sim_cancel(void *self, uint64_t id)
{
	LoopSim *s = ((LoopSimProc *)self)->sim;
	Event *e = g_hash_table_lookup(s->pending, &id);
	if (e)
		e->fn = NULL;
}

/* splitmix64: small, seedable, good enough for stories. */
static uint64_t next_random(LoopSim *s)
{
	uint64_t z = (s->rng += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static void sim_entropy(void *self, void *buf, size_t n)
{
	LoopSim *s = ((LoopSimProc *)self)->sim;
	for (size_t done = 0; done < n; done += sizeof(uint64_t)) {
		uint64_t r = next_random(s);
		memcpy((char *)buf + done, &r, MIN(sizeof r, n - done));
	}
}

static const LoopOps sim_ops = {
	.boot_usec = sim_boot,
	.wall_usec = sim_wall,
	.timer = sim_timer,
	.cancel = sim_cancel,
	.entropy = sim_entropy,
};

LoopSim *loop_sim_new(uint64_t seed, int64_t wall_usec)
{
	LoopSim *s = g_new0(LoopSim, 1);
	s->rng = seed;
	s->now = SL_USEC_PER_SEC;
	s->wall_offset = wall_usec - s->now;
	s->world.sim = s;
	s->pending = g_hash_table_new(g_int64_hash, g_int64_equal);
	return s;
}

void loop_sim_free(LoopSim *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		g_free(s->heap[i]);
	g_hash_table_destroy(s->pending);
	g_free(s->heap);
	g_free(s);
}

Loop loop_sim_loop(LoopSim *s)
{
	return (Loop){ &sim_ops, &s->world };
}

LoopSimProc *loop_sim_proc_new(LoopSim *s)
{
	LoopSimProc *p = g_new0(LoopSimProc, 1);
	p->sim = s;
	return p;
}

void loop_sim_proc_free(LoopSimProc *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->sim->n; i++)
		if (p->sim->heap[i]->proc == p)
			p->sim->heap[i]->fn = NULL;
	g_free(p);
}

Loop loop_sim_proc_loop(LoopSimProc *p)
{
	return (Loop){ &sim_ops, p };
}

static Event *pop(LoopSim *s)
{
	Event *e = s->heap[0];
	s->heap[0] = s->heap[--s->n];
	if (s->n > 0)
		sift_down(s, 0);
	g_hash_table_remove(s->pending, &e->id);
	return e;
}

static void drop_cancelled(LoopSim *s)
{
	while (s->n > 0 && !s->heap[0]->fn)
		g_free(pop(s));
}

bool loop_sim_step(LoopSim *s)
{
	drop_cancelled(s);
	if (s->n == 0)
		return false;
	g_autofree Event *e = pop(s);
	s->now = MAX(s->now, e->at);
	s->n_run++;
	e->fn(e->ud);
	return true;
}

bool loop_sim_run(LoopSim *s, bool (*done)(void *ud), void *ud, int64_t until_usec)
{
	while (!done(ud)) {
		drop_cancelled(s);
		if (s->n == 0 || s->heap[0]->at > until_usec)
			return false;
		loop_sim_step(s);
	}
	return true;
}

void loop_sim_step_wall(LoopSim *s, int64_t delta_usec)
{
	s->wall_offset += delta_usec;
}

void loop_sim_skip(LoopSim *s, int64_t delta_usec)
{
	s->now += delta_usec;
}

uint64_t loop_sim_events(const LoopSim *s)
{
	return s->n_run;
}
