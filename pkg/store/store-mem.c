#include "store/store-mem.h"

struct StoreMem {
	Loop loop;
	LoopSim *sim;
	LoopSimProc *proc;
	GPtrArray *records;
	StoreMemFaults *faults;
	LoopFn *crash;
	void *faults_ud;
	uint64_t n_batches;
	StoreFault fault;
	StoreDone *done;
	void *done_ud;
};

static Record *record_copy(const Record *r, int64_t seq)
{
	Record *c = g_new0(Record, 1);
	c->seq = seq;
	c->wall_usec = r->wall_usec;
	c->kind = g_strdup(r->kind);
	c->body = g_strdup(r->body);
	return c;
}

static void complete(void *ud)
{
	StoreMem *s = ud;
	StoreDone *done = s->done;
	s->done = NULL;
	if (s->fault == STORE_FAULT_ERROR) {
		g_autoptr(GError) err =
			g_error_new(SL_ERROR, SL_ERR_REFUSED, "simulated: disk full");
		done(err, s->done_ud);
		return;
	}
	done(NULL, s->done_ud);
	if (s->fault == STORE_FAULT_CRASH_AFTER)
		loop_defer(loop_sim_loop(s->sim), s->crash, s->faults_ud);
}

static void mem_append(void *self, Record *const *r, size_t n, StoreDone *done, void *ud)
{
	StoreMem *s = self;
	g_assert(n > 0 && !s->done);
	s->fault = s->faults ? s->faults(s->n_batches, s->faults_ud) : STORE_FAULT_NONE;
	s->n_batches++;
	bool durable = s->fault == STORE_FAULT_NONE || s->fault == STORE_FAULT_UNACKNOWLEDGED ||
		       s->fault == STORE_FAULT_CRASH_AFTER;
	for (size_t i = 0; durable && i < n; i++) {
		r[i]->seq = (int64_t)s->records->len + 1;
		g_ptr_array_add(s->records, record_copy(r[i], r[i]->seq));
	}
	s->done = done;
	s->done_ud = ud;
	bool crash = s->fault == STORE_FAULT_CRASH_BEFORE || s->fault == STORE_FAULT_LOST ||
		     s->fault == STORE_FAULT_UNACKNOWLEDGED;
	if (crash)
		loop_defer(loop_sim_loop(s->sim), s->crash, s->faults_ud);
	else
		loop_timer(s->loop, loop_boot_usec(s->loop) + 100, complete, s);
}

static bool mem_replay(void *self, int64_t after_seq, StoreEach *each, void *ud, GError **err)
{
	StoreMem *s = self;
	for (unsigned i = (unsigned)MAX(after_seq, 0); i < s->records->len; i++)
		if (!each(g_ptr_array_index(s->records, i), ud))
			break;
	return true;
}

static const StoreOps mem_ops = { .append = mem_append, .replay = mem_replay };

StoreMem *store_mem_new(LoopSim *loop)
{
	StoreMem *s = g_new0(StoreMem, 1);
	s->sim = loop;
	s->proc = loop_sim_proc_new(loop);
	s->loop = loop_sim_proc_loop(s->proc);
	s->records = g_ptr_array_new_with_free_func((GDestroyNotify)record_free);
	return s;
}

void store_mem_free(StoreMem *s)
{
	if (!s)
		return;
	loop_sim_proc_free(s->proc);
	g_ptr_array_free(s->records, TRUE);
	g_free(s);
}

StoreMem *store_mem_copy(const StoreMem *s)
{
	StoreMem *copy = store_mem_new(s->sim);
	for (unsigned i = 0; i < s->records->len; i++) {
		const Record *r = g_ptr_array_index(s->records, i);
		g_ptr_array_add(copy->records, record_copy(r, r->seq));
	}
	return copy;
}

Store store_mem_store(StoreMem *s)
{
	return (Store){ &mem_ops, s };
}

void store_mem_set_faults(StoreMem *s, StoreMemFaults *faults, LoopFn *crash, void *ud)
{
	s->faults = faults;
	s->crash = crash;
	s->faults_ud = ud;
}

uint64_t store_mem_batches(const StoreMem *s)
{
	return s->n_batches;
}

size_t store_mem_len(const StoreMem *s)
{
	return s->records->len;
}

const Record *store_mem_get(const StoreMem *s, size_t i)
{
	return g_ptr_array_index(s->records, i);
}

void store_mem_crash(StoreMem *s)
{
	loop_sim_proc_free(s->proc);
	s->proc = loop_sim_proc_new(s->sim);
	s->loop = loop_sim_proc_loop(s->proc);
	s->done = NULL;
}
