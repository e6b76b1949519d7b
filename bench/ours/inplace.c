/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * bench-inplace: proves from outside that messages are read where they were written. Two
 * processes, both awake; every memcpy and malloc that is linked in is wrapped and counted,
 * strace counts the system calls of every thread of both, getrusage the page faults, and
 * /proc/self/maps says which byte of which region the handler's pointer is.
 * Exit 0: proved. 1: not so. 2: could not be measured.
 */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/weir.h>

#include "bench/lib/clock.h"
#include "bench/lib/crew.h"
#include "bench/lib/row.h"

enum { SIZE = 1024, WATCHDOG_S = 60, ATTACH_S = 10, ARRIVE_MS = 10000, TURN_MS = 1000 };
enum { LAG_MAX = 512 }; /* so that the publisher never has to wait for room */
/* The first lap: so many messages lie there before the first is read, and what is measured
 * never needs more memory than they did. */
enum { LAP = 4096 };
enum { CONTROLS = 3 }; /* calls of getppid that strace must see */
enum { GOOD = 0, FAILED = 1, UNMEASURED = 2 };
#define WARM  UINT64_C(100000)
#define COUNT UINT64_C(1000000)
#define END   (WARM + 2 * COUNT)

/* ---- what is wrapped when this is linked --------------------------------------------- */

static _Thread_local int counting;
static _Thread_local uint64_t copies, allocations;

void *__real_memcpy(void *to, const void *from, size_t n);
void *__wrap_memcpy(void *to, const void *from, size_t n);
void *__real_memmove(void *to, const void *from, size_t n);
void *__wrap_memmove(void *to, const void *from, size_t n);
void *__real___memcpy_chk(void *to, const void *from, size_t n, size_t room);
void *__wrap___memcpy_chk(void *to, const void *from, size_t n, size_t room);
void *__real___memmove_chk(void *to, const void *from, size_t n, size_t room);
void *__wrap___memmove_chk(void *to, const void *from, size_t n, size_t room);
void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__real_realloc(void *old, size_t n);
void *__wrap_realloc(void *old, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
int __real_posix_memalign(void **out, size_t align, size_t n);
int __wrap_posix_memalign(void **out, size_t align, size_t n);

void *
__wrap_memcpy(void *to, const void *from, size_t n)
{
	copies += (uint64_t)counting;
	return __real_memcpy(to, from, n);
}

void *
__wrap_memmove(void *to, const void *from, size_t n)
{
	copies += (uint64_t)counting;
	return __real_memmove(to, from, n);
}

void *
__wrap___memcpy_chk(void *to, const void *from, size_t n, size_t room)
{
	copies += (uint64_t)counting;
	return __real___memcpy_chk(to, from, n, room);
}

void *
__wrap___memmove_chk(void *to, const void *from, size_t n, size_t room)
{
	copies += (uint64_t)counting;
	return __real___memmove_chk(to, from, n, room);
}

void *
__wrap_malloc(size_t n)
{
	allocations += (uint64_t)counting;
	return __real_malloc(n);
}

void *
__wrap_calloc(size_t count, size_t n)
{
	allocations += (uint64_t)counting;
	return __real_calloc(count, n);
}

void *
__wrap_realloc(void *old, size_t n)
{
	allocations += (uint64_t)counting;
	return __real_realloc(old, n);
}

void *
__wrap_aligned_alloc(size_t align, size_t n)
{
	allocations += (uint64_t)counting;
	return __real_aligned_alloc(align, n);
}

int
__wrap_posix_memalign(void **out, size_t align, size_t n)
{
	allocations += (uint64_t)counting;
	return __real_posix_memalign(out, align, n);
}

/* ---- what the processes tell each other ---------------------------------------------- */

/* A byte of a file, however it is mapped. */
struct place {
	uint64_t inode, offset;
	char device[16], access[8], name[64];
};

struct account {
	uint64_t copies, allocations, faults;
	struct place place;
	pid_t pid;
};

struct proof {
	const char *dir;
	_Alignas(128) _Atomic uint64_t received; /* writer: subscriber */
	_Alignas(128) atomic_int lapped; /* the first lap is written; writer: publisher */
	_Alignas(128) atomic_int counted; /* the faults' part is over; writer: publisher */
	_Alignas(128) atomic_int traced; /* 1 when strace is there; writer: conductor */
	_Alignas(128) atomic_int sent; /* the traced part is over; writer: publisher */
	_Alignas(128) struct account pub;
	_Alignas(128) struct account sub;
	uint64_t copies_of_send; /* the counter counts what does copy */
	uint64_t allocations_of_open;
	int64_t calls; /* < 0: strace is not there */
	char calls_text[400];
};

static uint64_t
faults_so_far(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_minflt + usage.ru_majflt);
}

static int
place_of(const void *pointer, struct place *place)
{
	FILE *file = fopen("/proc/self/maps", "re");
	char line[512];
	int found = 0;
	memset(place, 0, sizeof *place);
	while (file && !found && fgets(line, sizeof line, file)) {
		uint64_t low, high, offset, inode;
		char access[8], device[16], name[64] = "";
		if (sscanf(line,
			    "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %15s %" SCNu64 " %63s",
			    &low, &high, access, &offset, device, &inode, name) < 6)
			continue;
		if ((uintptr_t)pointer < low || (uintptr_t)pointer >= high)
			continue;
		found = 1;
		place->inode = inode;
		place->offset = offset + ((uintptr_t)pointer - low);
		snprintf(place->device, sizeof place->device, "%s", device);
		snprintf(place->access, sizeof place->access, "%s", access);
		snprintf(place->name, sizeof place->name, "%s", name);
	}
	if (file)
		fclose(file);
	return found ? 0 : -1;
}

/* ---- the two sides ------------------------------------------------------------------- */

struct reader {
	struct crew *crew;
	struct proof *proof;
	uint64_t due, faults;
	int ended;
};

static int
on_msg(void *ctx, const weir_msg *msg)
{
	struct reader *r = ctx;
	const volatile uint64_t *words = msg->data;
	uint64_t seq = words[0];
	counting = 0;
	if (seq != r->due++ || words[SIZE / 8 - 1] != ~seq)
		return crew_fail(r->crew, "message %" PRIu64 " is not what was sent", seq) -
			1;
	if (seq == WARM - 1) {
		copies = allocations = 0;
		r->faults = faults_so_far();
	} else if (seq == WARM + COUNT - 1) {
		struct account *mine = &r->proof->sub;
		mine->faults = faults_so_far() - r->faults;
		if (place_of(msg->data, &mine->place) < 0)
			return crew_fail(r->crew, "the message lies in no mapping") - 1;
	} else if (seq == END - 1) {
		r->proof->sub.copies = copies;
		r->proof->sub.allocations = allocations;
	} else if (seq == END) {
		r->ended = 1;
	}
	atomic_store_explicit(&r->proof->received, seq + 1, memory_order_release);
	counting = 1;
	return 0;
}

static int
subscribe(struct crew *crew, struct proof *proof, weir_bus *bus)
{
	struct reader reader = {.crew = crew, .proof = proof};
	weir_sub *sub = weir_subscribe(bus, "inplace", .on_msg = on_msg, .ctx = &reader);
	if (weir_sub_why(sub)->code)
		return crew_fail(crew, "subscribe: %s", weir_sub_why(sub)->text);
	proof->sub.pid = getpid();
	if (crew_meet(crew, 3, 1) < 0)
		return -1;
	while (!atomic_load(&proof->lapped))
		if (atomic_load(&crew->board->failed))
			return -1;
	counting = 1;
	while (!reader.ended)
		if (weir_turn(bus, TURN_MS) < 0)
			return crew_fail(crew, "turn: %s", weir_why(bus)->text);
	counting = 0;
	return crew_meet(crew, 3, 2);
}

static int
put(weir_pub *pub, uint64_t seq, struct place *place)
{
	weir_claim_t claim;
	counting = 1;
	int rc = weir_claim(pub, SIZE, &claim);
	if (rc < 0)
		return rc;
	uint64_t *words = claim.data;
	words[0] = seq;
	memset(words + 1, (int)seq, SIZE - 16);
	words[SIZE / 8 - 1] = ~seq;
	rc = weir_commit(pub, &claim);
	counting = 0;
	return place && place_of(words, place) < 0 ? -1 : rc;
}

static int
publish(struct crew *crew, struct proof *proof, weir_bus *bus)
{
	counting = 1;
	weir_pub *pub = weir_advertise(bus, "inplace", .wait_ms = WEIR_FOREVER);
	counting = 0;
	proof->allocations_of_open = allocations;
	proof->pub.pid = getpid();
	if (weir_pub_why(pub)->code)
		return crew_fail(crew, "advertise: %s", weir_pub_why(pub)->text);
	if (crew_meet(crew, 3, 1) < 0)
		return -1;
	if (weir_wait_subscribers(pub, 1, ARRIVE_MS) < 1)
		return crew_fail(crew, "the subscriber did not come");
	uint64_t faults = 0;
	for (uint64_t seq = 0; seq < END; seq++) {
		if (seq == WARM) {
			copies = allocations = 0;
			faults = faults_so_far();
		}
		if (seq == WARM + COUNT) {
			atomic_store(&proof->counted, 1);
			while (!atomic_load(&proof->traced))
				bench_pause();
		}
		if (seq == LAP)
			atomic_store(&proof->lapped, 1);
		uint64_t lag = seq < LAP ? LAP : LAG_MAX;
		while (seq - atomic_load_explicit(&proof->received, memory_order_acquire) >
			lag)
			bench_pause();
		int last = seq == WARM + COUNT - 1;
		if (last)
			proof->pub.faults = faults_so_far() - faults;
		if (put(pub, seq, last ? &proof->pub.place : NULL) < 0)
			return crew_fail(crew, "publishing failed");
	}
	proof->pub.copies = copies;
	proof->pub.allocations = allocations;
	for (int i = 0; i < CONTROLS; i++)
		syscall(SYS_getppid);
	atomic_store(&proof->sent, 1);
	while (atomic_load(&proof->traced) == 1)
		bench_pause();
	uint64_t words[SIZE / 8] = {[0] = END, [SIZE / 8 - 1] = ~END};
	counting = 1;
	int rc = weir_send(pub, words, sizeof words);
	counting = 0;
	proof->copies_of_send = copies - proof->pub.copies;
	if (rc < 0)
		return crew_fail(crew, "weir_send failed");
	return crew_meet(crew, 3, 2);
}

/* ---- strace -------------------------------------------------------------------------- */

/* Whether every thread of the process has a tracer. */
static int
is_traced(pid_t pid)
{
	char path[300], line[128];
	snprintf(path, sizeof path, "/proc/%d/task", pid);
	DIR *dir = opendir(path);
	int all = dir != NULL;
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/proc/%d/task/%s/status", pid, entry->d_name);
		FILE *file = fopen(path, "re");
		int tracer = 0;
		while (file && fgets(line, sizeof line, file))
			if (sscanf(line, "TracerPid: %d", &tracer) == 1)
				break;
		if (file)
			fclose(file);
		all = all && tracer != 0;
	}
	if (dir)
		closedir(dir);
	return all;
}

/* Sums the calls of the table that strace -c wrote, but for those that the publisher made
 * on purpose, at the end; without them the table is not to be believed, and the answer
 * is -1. */
static int64_t
calls_in(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	char line[256];
	int64_t sum = 0, controls = 0;
	if (!file)
		return -1;
	text[0] = 0;
	while (fgets(line, sizeof line, file)) {
		double share, seconds;
		long each, calls;
		char name[64], more[64] = "";
		if (sscanf(line, "%lf %lf %ld %ld %63s %63s", &share, &seconds, &each,
			    &calls, name, more) < 5)
			continue;
		const char *call = more[0] ? more : name;
		if (strcmp(call, "total") == 0)
			continue;
		if (strcmp(call, "getppid") == 0) {
			controls = calls;
			continue;
		}
		size_t used = strlen(text);
		snprintf(text + used, size - used, "%s%s %ld", used ? ", " : "", call,
			calls);
		sum += calls;
	}
	fclose(file);
	return controls == CONTROLS ? sum : -1;
}

static pid_t
start_strace(const struct proof *proof, const char *out)
{
	char pub[16], sub[16];
	snprintf(pub, sizeof pub, "%d", proof->pub.pid);
	snprintf(sub, sizeof sub, "%d", proof->sub.pid);
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		int null = open("/dev/null", O_WRONLY);
		dup2(null, 2);
		if (getppid() == parent)
			execlp("strace", "strace", "-f", "-c", "-o", out, "-p", pub,
				"-p", sub, (char *)NULL);
		_exit(127);
	}
	return pid;
}

/* The third worker: has strace count while the other two exchange the second million. */
static int
conduct(struct crew *crew, struct proof *proof)
{
	char out[200];
	const struct timespec moment = {.tv_nsec = 1000000};
	snprintf(out, sizeof out, "%s/strace", proof->dir);
	if (crew_meet(crew, 3, 1) < 0)
		return -1;
	while (!atomic_load(&proof->counted)) {
		if (atomic_load(&crew->board->failed))
			return -1;
		nanosleep(&moment, NULL);
	}
	pid_t pid = start_strace(proof, out);
	int there = 0;
	for (int ms = 0; pid > 0 && ms < ATTACH_S * 1000 && !there; ms++) {
		there = is_traced(proof->pub.pid) && is_traced(proof->sub.pid);
		if (waitpid(pid, NULL, WNOHANG) == pid)
			pid = -1;
		nanosleep(&moment, NULL);
	}
	atomic_store(&proof->traced, 1);
	while (!atomic_load(&proof->sent) || atomic_load(&proof->received) < END) {
		if (atomic_load(&crew->board->failed))
			return -1;
		nanosleep(&moment, NULL);
	}
	if (pid > 0) {
		kill(pid, SIGINT);
		waitpid(pid, NULL, 0);
	}
	proof->calls =
		there ? calls_in(out, proof->calls_text, sizeof proof->calls_text) : -1;
	atomic_store(&proof->traced, 2);
	return crew_meet(crew, 3, 2);
}

static int
work(struct crew *crew, int index, void *arg)
{
	struct proof *proof = arg;
	if (index == 2)
		return conduct(crew, proof);
	bench_pin(index);
	weir_bus *bus = weir_open("bench-inplace", .dir = proof->dir,
		.idle = WEIR_IDLE_SPIN, .flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS);
	if (weir_why(bus)->code)
		return crew_fail(crew, "open: %s", weir_why(bus)->text);
	int rc = index ? subscribe(crew, proof, bus) : publish(crew, proof, bus);
	if (rc == 0)
		weir_close(bus);
	return rc;
}

/* ---- the verdict --------------------------------------------------------------------- */

static int
show(const char *work, double value, const char *unit, struct bench_goal goal)
{
	struct bench_row row = bench_row_of("inplace", "ours", work);
	row.size = SIZE;
	row.publishers = row.subscribers = 1;
	row.wait = "spin";
	row.value = value;
	row.unit = unit;
	return bench_row_print(&row, goal) ? GOOD
		: isfinite(value)          ? FAILED
					   : UNMEASURED;
}

static int
worse(int a, int b)
{
	return a == FAILED || b == FAILED ? FAILED : a > b ? a : b;
}

static int
judge(const struct proof *p)
{
	const struct bench_goal none = {GOAL_AT_MOST, 0, 0}, yes = {GOAL_AT_LEAST, 1, 0};
	const struct place *from = &p->pub.place, *at = &p->sub.place;
	int same = from->inode != 0 && from->inode == at->inode &&
		from->offset == at->offset && strcmp(from->device, at->device) == 0;
	bench_row_note("publisher wrote %s inode %" PRIu64 " offset %#" PRIx64
		       " (%s), handler read %s inode %" PRIu64 " offset %#" PRIx64 " (%s)",
		from->name, from->inode, from->offset, from->access, at->name,
		at->inode, at->offset, at->access);
	int rc = show("handler's pointer is the claim's byte", same, "yes", yes);
	rc = worse(rc,
		show("reader's mapping cannot write", strchr(at->access, 'w') == NULL,
			"yes", yes));
	rc = worse(rc,
		show("memcpy, claim to handler", (double)(p->pub.copies + p->sub.copies),
			"calls in 2 x 10^6", none));
	rc = worse(rc,
		show("malloc, claim to handler",
			(double)(p->pub.allocations + p->sub.allocations),
			"calls in 2 x 10^6", none));
	rc = worse(rc,
		show("memcpy in weir_send, as a check", (double)p->copies_of_send,
			"calls", yes));
	rc = worse(rc,
		show("malloc in weir_advertise, as a check",
			(double)p->allocations_of_open, "calls", yes));
	/* A page of the measuring itself is touched for the first time now and then. */
	const struct bench_goal faults = {GOAL_AT_MOST, 1e-5, 0};
	rc = worse(rc,
		show("page faults, publisher", (double)p->pub.faults / COUNT,
			"a message", faults));
	rc = worse(rc,
		show("page faults, subscriber", (double)p->sub.faults / COUNT,
			"a message", faults));
	rc = worse(rc,
		show("system calls, both", p->calls < 0 ? NAN : (double)p->calls,
			"in 10^6 messages", (struct bench_goal){GOAL_AT_MOST, 99, 0}));
	if (p->calls > 0)
		bench_row_note("calls: %s", p->calls_text);
	if (p->calls < 0)
		fprintf(stderr,
			"bench-inplace: strace could not count, system calls are "
			"unknown\n");
	return rc;
}

int
main(int argc, char **argv)
{
	struct crew crew;
	int json = argc > 1 && strcmp(argv[1], "--json") == 0;
	bench_clock_init();
	bench_row_begin(json);
	if (bench_cores() < 2) {
		fprintf(stderr, "bench-inplace: needs two cores\n");
		return UNMEASURED;
	}
	struct proof *proof = crew_shared(sizeof *proof);
	const char *dir = crew_directory();
	int rc = UNMEASURED;
	if (proof && dir && crew_init(&crew) == 0) {
		proof->dir = dir;
		for (int i = 0; i < 3; i++)
			crew_spawn(&crew, work, proof);
		if (crew_wait(&crew, "in place", WATCHDOG_S) == 0)
			rc = judge(proof);
	}
	crew_directory_remove();
	crew_shared_free(proof, sizeof *proof);
	return rc;
}
