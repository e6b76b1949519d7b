/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/lease.h"

_Thread_local struct wr_lease *wr_lease_here;

#if defined(WR_TSAN)
enum { SEES_FENCES = false };
#else
enum { SEES_FENCES = true };
#endif

void
wr_lease_init(struct wr_lease *lease, bool exchanges)
{
	*lease = (struct wr_lease){
		.exchanges = exchanges || !SEES_FENCES || !wr_heavy_register()};
	wr_thread_look_init(&lease->thread);
	(void)wr_budget_init(&lease->allowance.budget, WR_BUDGET_DEFAULT);
}

static uint64_t
kind(uint64_t word)
{
	return word & WR_LEASE_MASK;
}

/* A hint may be followed by more. */
bool
wr_lease_resolve(struct wr_lease *lease, uint64_t want)
{
	while (want >> WR_LEASE_BITS == lease->number && kind(want) == WR_WANT_LOOP) {
		wr_pause();
		want = wr_load_acquire(lease_word, &lease->want);
	}
	return want >> WR_LEASE_BITS == lease->number && kind(want) == WR_WANT_TAKEN;
}

void
wr_lease_sleeps(struct wr_lease *lease, bool sleeps)
{
	wr_store_release(lease_sleep, &lease->run,
		lease->number << WR_LEASE_BITS |
			(sleeps ? WR_LEASE_ASLEEP : WR_LEASE_HELD));
}

uint64_t
wr_lease_seen(struct wr_lease *lease)
{
	return wr_load_acquire(lease_see, &lease->run);
}

void
wr_lease_hint(struct wr_lease *lease, uint64_t seen)
{
	wr_store_relaxed(lease_nudge, &lease->want,
		(seen & ~(uint64_t)WR_LEASE_MASK) | WR_WANT_END);
}

static bool
take_by_exchange(struct wr_lease *lease, uint64_t seen)
{
	uint64_t was = seen;

	/* A failure without a reason is a tick lost. */
	return wr_compare_exchange(lease_seize, &lease->run, &was,
		(seen & ~(uint64_t)WR_LEASE_MASK) | WR_LEASE_TAKEN);
}

bool
wr_lease_take(struct wr_lease *lease, uint64_t seen)
{
	uint64_t poll = seen & ~(uint64_t)WR_LEASE_MASK;

	if (lease->exchanges)
		return take_by_exchange(lease, seen);
	wr_store_relaxed(lease_want, &lease->want, poll | WR_WANT_LOOP);
	wr_fence_heavy(lease_heavy);
	if (wr_load_acquire(lease_again, &lease->run) != seen &&
		!WR_MUTANT(LEASE_NOAGAIN)) {
		wr_store_release(lease_leave, &lease->want, 0);
		return false;
	}
	wr_store_release(lease_taken, &lease->want, poll | WR_WANT_TAKEN);
	return true;
}
