/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * weir_datapath WHAT SCHEME: what the data path does not do, over inproc or shm. A publisher
 * and a polled subscription in one thread pass 10^5 messages; meanwhile
 *
 *	K11_nothing_is_allocated   the allocator is not called, by any thread
 *	K5_nothing_is_copied       nor, from claim to handler, memcpy and memmove
 *	no_system_call             the thread would be killed by the first system call
 *	P12_polls_allocate_nothing the allocator is not called by a loop that polls: with hooks,
 *	                           tiers, timers of both kinds, tasks and a descriptor beside a
 *	                           subscription
 *
 * The linker puts the counters below between the library and the C library (--wrap). Each
 * counter is shown to count, and the filter to kill, before it is believed.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/loop.h>

enum { MESSAGES = 100000, LEN = 1000 };

/* ---- counters ----------------------------------------------------------------------------- */

static _Atomic int allocations, frees, copies;

/* clang-format off */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
int __real_posix_memalign(void **memory, size_t align, size_t size);
void __real_free(void *memory);
void *__real_memcpy(void *to, const void *from, size_t size);
void *__real_memmove(void *to, const void *from, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
int __wrap_posix_memalign(void **memory, size_t align, size_t size);
void __wrap_free(void *memory);
void *__wrap_memcpy(void *to, const void *from, size_t size);
void *__wrap_memmove(void *to, const void *from, size_t size);

void *__wrap_malloc(size_t size) { allocations++; return __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { allocations++; return __real_calloc(count, size); }
void *__wrap_realloc(void *old, size_t size) { allocations++; return __real_realloc(old, size); }
void *__wrap_aligned_alloc(size_t align, size_t size) { allocations++; return __real_aligned_alloc(align, size); }
int __wrap_posix_memalign(void **memory, size_t align, size_t size) { allocations++; return __real_posix_memalign(memory, align, size); }
void __wrap_free(void *memory) { frees++; __real_free(memory); }
void *__wrap_memcpy(void *to, const void *from, size_t size) { copies++; return __real_memcpy(to, from, size); }
void *__wrap_memmove(void *to, const void *from, size_t size) { copies++; return __real_memmove(to, from, size); }
/* clang-format on */

/* ---- the stream ------------------------------------------------------------------------------ */

struct scene {
	weir_bus *a, *b;
	weir_pub *pub;
	weir_sub *sub;
	const void *written[64]; /* where the messages that are on their way lie */
	uint64_t sent, taken;
	int in_place; /* the reader sees the writer's addresses: one mapping */
};

static int
wrong(const char *what, long long number)
{
	fprintf(stderr, "weir_datapath: %s: %lld\n", what, number);
	return 1;
}

static int
scene_open(struct scene *scene, const char *scheme)
{
	const char *name = strcmp(scheme, "inproc") == 0 ? "inproc:bus" : "bus";

	*scene = (struct scene){.in_place = strcmp(scheme, "inproc") == 0};
	scene->a = weir_open(name, .attach_ms = 600000, .flags = WEIR_BUS_NO_SIGNALS);
	scene->b = weir_open(name, .attach_ms = 600000, .flags = WEIR_BUS_NO_SIGNALS);
	scene->pub = weir_advertise(scene->a, "t", .window = 1, .wait_ms = WEIR_NEVER);
	scene->sub = weir_subscribe(scene->b, "t");
	if (weir_wait_subscribers(scene->pub, 1, WEIR_FOREVER) != 1)
		return wrong("no subscriber", weir_sub_why(scene->sub)->code);
	return 0;
}

static int
send_one(struct scene *scene)
{
	weir_claim_t claim;
	int rc = weir_claim(scene->pub, LEN, &claim);

	if (rc < 0)
		return rc;
	*(uint64_t *)claim.data = scene->sent;
	scene->written[scene->sent % 64] = claim.data;
	scene->sent++;
	return weir_commit(scene->pub, &claim);
}

static int
take_one(struct scene *scene)
{
	weir_msg msg;

	if (weir_peek(scene->sub, &msg) != 1 || msg.len != LEN ||
		*(const uint64_t *)msg.data != scene->taken)
		return -1;
	if (scene->in_place && scene->sent - scene->taken <= 64 &&
		msg.data != scene->written[scene->taken % 64])
		return -1;
	scene->taken++;
	return weir_next(scene->sub);
}

/* Fills the window until a claim is refused, and empties it: what is reserved as it is
 * first used has been used then, on both sides. */
static int
lap(struct scene *scene)
{
	int rc;

	while ((rc = send_one(scene)) == 0)
		;
	while (scene->taken < scene->sent)
		if (take_one(scene) < 0)
			return wrong("message", (long long)scene->taken);
	return rc == -WEIR_E_AGAIN_FULL ? 0 : wrong("the full window answers", rc);
}

/* The messages, at lags from 1 to 50. */
static int
flow(struct scene *scene)
{
	uint64_t end = scene->sent + MESSAGES;

	for (uint64_t lag = 1; scene->sent < end; lag = lag % 50 + 1) {
		for (uint64_t i = 0; i < lag; i++)
			if (send_one(scene) < 0)
				return wrong("sending", (long long)scene->sent);
		while (scene->taken < scene->sent)
			if (take_one(scene) < 0)
				return wrong("taking", (long long)scene->taken);
	}
	return 0;
}

/* What went in came out, and each side says so. */
static int
books(struct scene *scene)
{
	weir_pub_stats p = {.size = sizeof(p)};
	weir_sub_stats s = {.size = sizeof(s)};

	if (weir_pub_get_stats(scene->pub, &p) < 0 ||
		weir_sub_get_stats(scene->sub, &s) < 0)
		return 1;
	if (p.published != scene->sent || s.delivered + s.lost != p.published ||
		s.lost != 0)
		return wrong("the books differ, delivered", (long long)s.delivered);
	if (p.rolls < 50)
		return wrong("segments", (long long)p.rolls);
	return weir_close(scene->a) + weir_close(scene->b);
}

/* ---- the tests ------------------------------------------------------------------------------------ */

/* The first lap too: everything was made when the handles were. */
static int
nothing_is_allocated(const char *scheme)
{
	struct scene scene;
	weir_msg msg;
	int before;

	if (scene_open(&scene, scheme) != 0)
		return 1;
	if (allocations == 0)
		return wrong("nothing is counted", 0);
	/* The reader's list of streams is filled by its first look. */
	if (weir_peek(scene.sub, &msg) != 0)
		return wrong("a message before the first", 0);
	before = allocations + frees;
	if (lap(&scene) != 0 || flow(&scene) != 0 || lap(&scene) != 0)
		return 1;
	if (allocations + frees != before)
		return wrong("calls of the allocator", allocations + frees - before);
	return books(&scene);
}

static int
nothing_is_copied(const char *scheme)
{
	struct scene scene;
	char data[LEN] = {0};
	volatile size_t len = LEN;
	int before;

	if (scene_open(&scene, scheme) != 0 || lap(&scene) != 0)
		return 1;
	/* The copying form copies: once in, once out. */
	before = copies;
	if (weir_send(scene.pub, data, len) != 0 ||
		weir_recv(scene.sub, data, len, 0, NULL) != LEN || copies - before < 2)
		return wrong("copies of the copying form", copies - before);
	before = copies;
	if (flow(&scene) != 0)
		return 1;
	if (copies != before)
		return wrong("copies", copies - before);
	scene.sent++;
	return books(&scene);
}

/* From here on this thread may end, and say why; anything else kills the process. */
static int
forbid_calls(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit_group, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_write, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Runs in a child: how it ended, 128 + the signal where it was killed. */
static int
within_the_filter(const char *scheme, int break_it)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct scene scene;
		int rc;

		/* Twice around, so that both sides have seen every segment. */
		if (scene_open(&scene, scheme) != 0 || lap(&scene) != 0 ||
			lap(&scene) != 0)
			_exit(1);
		if (forbid_calls() != 0)
			_exit(77);
		rc = flow(&scene);
		if (break_it)
			(void)syscall(__NR_getppid);
		_exit(rc);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int
no_system_call(const char *scheme)
{
	int rc = within_the_filter(scheme, 0);

	if (rc == 77) {
		fprintf(stderr, "skipped: no seccomp filter here\n");
		return rc;
	}
	if (rc != 0)
		return wrong("it ended with", rc);
	rc = within_the_filter(scheme, 1);
	return rc == 128 + SIGSYS ? 0 : wrong("the filter lets calls pass", rc);
}

/* ---- a loop with all that there is ----------------------------------------------------------- */

/* How often each kind of consumer was called, and hooks around them. */
struct loop {
	weir_bus *bus;
	weir_timer *once;
	weir_task_id woken;
	uint64_t messages, steps, wakes, ticks, shots, bytes, before, after;
};

static int
count_message(void *ctx, const weir_msg *msg)
{
	struct loop *loop = ctx;

	loop->messages += msg->len == LEN;
	(void)weir_consume(loop->bus, 1);
	(void)weir_should_yield(loop->bus);
	return 0;
}

static int
step(void *ctx)
{
	struct loop *loop = ctx;

	loop->steps++;
	(void)weir_task_wake(loop->bus, loop->woken);
	return WEIR_STEP_MORE;
}

static int
step_once(void *ctx)
{
	((struct loop *)ctx)->wakes++;
	return WEIR_STEP_IDLE;
}

static int
tick(void *ctx, const weir_tick *t)
{
	(void)t;
	((struct loop *)ctx)->ticks++;
	return 0;
}

static int
shot(void *ctx, const weir_tick *t)
{
	struct loop *loop = ctx;

	(void)t;
	loop->shots++;
	return weir_timer_again(loop->once, 1000 + loop->shots % 7 * 100000);
}

/* The byte stays there: it is ready for ever. */
static int
look_at(void *ctx, int fd)
{
	(void)fd;
	((struct loop *)ctx)->bytes++;
	return 0;
}

static void
before_poll(void *ctx, const weir_consumer *consumer)
{
	(void)consumer;
	((struct loop *)ctx)->before++;
}

static void
after_poll(void *ctx, const weir_consumer *consumer, uint64_t messages)
{
	(void)consumer, (void)messages;
	((struct loop *)ctx)->after++;
}

static int
loop_open(struct loop *loop, weir_bus *bus)
{
	const weir_hooks hooks = {.size = sizeof(hooks),
		.before_poll = before_poll,
		.after_poll = after_poll,
		.ctx = loop};
	int ends[2];

	*loop = (struct loop){.bus = bus};
	if (pipe(ends) < 0 || write(ends[1], "w", 1) != 1)
		return wrong("no pipe", errno);
	(void)weir_subscribe(bus, "t", .on_msg = count_message, .ctx = loop);
	loop->woken = weir_spawn(bus, step_once, .ctx = loop);
	(void)weir_spawn(bus, step, .ctx = loop);
	loop->once = weir_timer_start(bus, .after_ns = 1, .on_tick = shot, .ctx = loop);
	(void)weir_timer_start(bus, .every_ns = 20000, .on_tick = tick, .ctx = loop);
	(void)weir_watch_fd(bus, ends[0], .on_ready = look_at, .ctx = loop);
	return weir_hooks_set(bus, &hooks) < 0 ? wrong("no hooks", 0)
					       : weir_why(bus)->code;
}

/* Messages at lags from 1 to 50, and turns until they are all there. */
static int
turns(struct scene *scene, struct loop *loop, uint64_t messages)
{
	uint64_t end = scene->sent + messages;

	for (uint64_t lag = 1; scene->sent < end; lag = lag % 50 + 1) {
		for (uint64_t i = 0; i < lag; i++)
			if (send_one(scene) < 0)
				return wrong("sending", (long long)scene->sent);
		while (loop->messages < scene->sent)
			if (weir_turn(loop->bus, 0) < 0)
				return wrong("a turn", (long long)loop->messages);
	}
	return 0;
}

/* How often the kind was called that was called least since then. */
static uint64_t
fewest(const struct loop *was, const struct loop *loop)
{
	const uint64_t more[] = {loop->messages - was->messages, loop->steps - was->steps,
		loop->wakes - was->wakes, loop->ticks - was->ticks,
		loop->shots - was->shots, loop->bytes - was->bytes};
	uint64_t least = more[0];

	for (size_t i = 1; i < sizeof(more) / sizeof(more[0]); i++)
		least = more[i] < least ? more[i] : least;
	return least;
}

static int
polls_allocate_nothing(const char *scheme)
{
	struct scene scene;
	struct loop loop, was;
	int before;

	if (scene_open(&scene, scheme) != 0)
		return 1;
	(void)weir_unsubscribe(scene.sub);
	if (loop_open(&loop, scene.b) != 0)
		return 1;
	if (weir_wait_subscribers(scene.pub, 1, WEIR_FOREVER) != 1)
		return wrong("no subscriber", 0);
	/* Lists are filled by the first looks. */
	if (turns(&scene, &loop, 100) != 0)
		return 1;
	was = loop;
	before = allocations + frees;
	for (uint64_t n = 0; n < MESSAGES || fewest(&was, &loop) < 100; n += 1000)
		if (turns(&scene, &loop, 1000) != 0)
			return 1;
	if (allocations + frees != before)
		return wrong("calls of the allocator", allocations + frees - before);
	if (loop.before != loop.after)
		return wrong("polls that ended", (long long)loop.after);
	/* A counter that does not count would have shown the same. */
	(void)weir_subscribe(scene.b, "u", .on_msg = count_message, .ctx = &loop);
	if (allocations + frees == before)
		return wrong("nothing is counted", 0);
	return weir_close(scene.a) + weir_close(scene.b);
}

static const struct {
	const char *name;
	int (*run)(const char *scheme);
} tests[] = {
	{"K11_nothing_is_allocated", nothing_is_allocated},
	{"K5_nothing_is_copied", nothing_is_copied},
	{"no_system_call", no_system_call},
	{"P12_polls_allocate_nothing", polls_allocate_nothing},
};

int
main(int argc, char **argv)
{
	char dir[] = "/tmp/weir-datapath-XXXXXX", bus[sizeof(dir) + 8];
	int rc = 2;

	if (argc != 3 || !mkdtemp(dir) || setenv("WEIR_RUNTIME_DIR", dir, 1) != 0) {
		fprintf(stderr, "usage: weir_datapath WHAT inproc|shm\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (strcmp(tests[i].name, argv[1]) == 0)
			rc = tests[i].run(argv[2]);
	/* A child that was killed leaves its sockets; the next who comes would remove them. */
	{
		weir_bus *last = weir_open("bus");

		(void)weir_close(last);
	}
	snprintf(bus, sizeof(bus), "%s/bus", dir);
	(void)rmdir(bus);
	(void)rmdir(dir);
	return rc;
}
