/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* How soon a publisher goes on when the reader that it waits for is killed. */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <weir/weir.h>

#include "bench/lib/clock.h"
#include "bench/lib/crew.h"
#include "bench/lib/stat.h"
#include "bench/ours/ours.h"

enum { SIZE = 16 << 10, ARRIVE_MS = 10000, TURN_MS = 1000, WATCHDOG_S = 60 };
enum { LOOK_NS = 1000000, BLOCKED_LOOKS = 20, KILLS_MAX = 1000 };

struct kills {
	const char *dir;
	int count;
	/* writer: the publisher */
	_Alignas(128) _Atomic uint64_t sent;
	_Atomic int round;   /* the kill that is being waited for, from 1 */
	_Atomic int through; /* round of the last claim that returned after a kill */
	_Atomic uint64_t through_at; /* ticks when it did */
	/* writer: the killer */
	_Alignas(128) _Atomic int killed; /* round of the last kill */
	double took_ns[KILLS_MAX];
};

static void
moment(void)
{
	nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
}

/* ---- the victim ------------------------------------------------------------------------ */

/* Stands still in its handler until it is killed. */
static int
on_msg(void *ctx, const weir_msg *msg)
{
	(void)ctx, (void)msg;
	for (;;)
		pause();
	return 0;
}

static void
be_killed(const struct kills *kills)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	weir_bus *bus = weir_open("bench-kill", .dir = kills->dir, .node = "victim",
		.flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS);
	weir_sub *sub = weir_subscribe(
		bus, "bench.kill", .on_msg = on_msg, .policy = WEIR_BLOCK);
	while (!weir_sub_why(sub)->code && weir_turn(bus, TURN_MS) >= 0)
		;
	_exit(1);
}

/* ---- the killer ------------------------------------------------------------------------ */

/* Waits until nothing was published for a while: the claim waits. */
static int
await_blocked(struct crew *crew, struct kills *kills)
{
	uint64_t sent = 0;
	for (int same = 0; same < BLOCKED_LOOKS;) {
		if (atomic_load(&crew->board->failed))
			return -1;
		moment();
		uint64_t now = atomic_load(&kills->sent);
		same = now == sent && now > 0 ? same + 1 : 0;
		sent = now;
	}
	return 0;
}

static int
kill_one(struct crew *crew, struct kills *kills, int round)
{
	while (atomic_load(&kills->round) < round) {
		if (atomic_load(&crew->board->failed))
			return -1;
		moment();
	}
	pid_t pid = fork();
	if (pid == 0)
		be_killed(kills);
	if (pid < 0)
		return crew_fail(crew, "fork failed");
	int rc = await_blocked(crew, kills);
	uint64_t at = bench_ticks();
	atomic_store(&kills->killed, round);
	kill(pid, SIGKILL);
	while (rc == 0 && atomic_load(&kills->through) < round) {
		if (atomic_load(&crew->board->failed))
			rc = -1;
		moment();
	}
	waitpid(pid, NULL, 0);
	kills->took_ns[round - 1] = bench_ns(atomic_load(&kills->through_at) - at);
	return rc;
}

/* ---- the publisher --------------------------------------------------------------------- */

static int
put(struct kills *kills, weir_pub *pub)
{
	weir_claim_t claim;
	int rc = weir_claim(pub, SIZE, &claim);
	if (rc < 0)
		return rc;
	int round = atomic_load(&kills->round);
	if (atomic_load(&kills->killed) == round && atomic_load(&kills->through) < round) {
		atomic_store(&kills->through_at, bench_ticks());
		atomic_store(&kills->through, round);
	}
	memset(claim.data, 1, SIZE);
	return weir_commit(pub, &claim);
}

static int
publish(struct crew *crew, struct kills *kills)
{
	weir_bus *bus = weir_open("bench-kill", .dir = kills->dir, .node = "publisher",
		.flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS);
	weir_pub *pub = weir_advertise(bus, "bench.kill", .wait_ms = WEIR_FOREVER);
	if (weir_pub_why(pub)->code)
		return crew_fail(crew, "advertise: %s", weir_pub_why(pub)->text);
	for (int round = 1; round <= kills->count; round++) {
		atomic_store(&kills->sent, 0);
		atomic_store(&kills->round, round);
		if (weir_wait_subscribers(pub, 1, ARRIVE_MS) < 1)
			return crew_fail(crew, "the reader did not come");
		while (atomic_load(&kills->through) < round) {
			if (put(kills, pub) < 0)
				return crew_fail(crew, "publishing: %s",
					weir_pub_why(pub)->text);
			atomic_fetch_add(&kills->sent, 1);
		}
		while (weir_subscribers(pub) > 0)
			if (weir_turn(bus, 1) < 0)
				return crew_fail(crew, "turn: %s", weir_why(bus)->text);
	}
	weir_close(bus);
	return 0;
}

static int
work(struct crew *crew, int index, void *arg)
{
	struct kills *kills = arg;
	bench_pin(-1);
	bench_sleep_sharply();
	if (index == 0)
		return publish(crew, kills);
	for (int round = 1; round <= kills->count; round++)
		if (kill_one(crew, kills, round) < 0)
			return -1;
	return 0;
}

int
ours_kill(const char *dir, int count, struct gen_result *result)
{
	struct crew crew;
	int rc = -1;
	*result = gen_nothing;
	count = count < KILLS_MAX ? count : KILLS_MAX;
	struct kills *kills = crew_shared(sizeof *kills);
	if (kills && crew_init(&crew) == 0) {
		kills->dir = dir;
		kills->count = count;
		for (int i = 0; i < 2; i++)
			crew_spawn(&crew, work, kills);
		rc = crew_wait(&crew, "kill", WATCHDOG_S);
	}
	if (rc == 0) {
		struct hist *hist = calloc(1, sizeof *hist);
		for (int i = 0; hist && i < count; i++)
			hist_add(hist, bench_ticks_of(kills->took_ns[i]));
		if (hist) {
			result->p50_ns = stat_median_of(kills->took_ns, count).median;
			result->p99_ns = hist_quantile(hist, 0.99) * bench_ns_per_tick;
			result->p999_ns = hist_quantile(hist, 0.999) * bench_ns_per_tick;
			result->max_ns = bench_ns(hist->max);
		}
		free(hist);
	}
	crew_shared_free(kills, sizeof *kills);
	return rc;
}
