/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The one place that spells memory orders.
 *
 * Every access to a word that another thread or process may touch goes through these
 * macros, and names the step of the protocol that it is: the label. Labels are listed
 * with their partners in docs/memory-order.md, stand in the models of tests/model, and
 * are the places where a build with WR_POINTS lets a test stop or kill the process.
 *
 * Fences come in two forms. The thread sanitizer does not see a fence, so under it each
 * fence is a read-modify-write of one word, which orders at least as much and is seen.
 */
#ifndef WR_BUS_ATOMIC_H
#define WR_BUS_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef _Atomic uint64_t wr_a64;
typedef _Atomic uint32_t wr_a32;

_Static_assert(sizeof(wr_a64) == 8 && _Alignof(wr_a64) == 8, "shared words are plain");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "shared words must never take a lock");

#if defined(WR_POINTS)
/* A test's hook, called before and after each labelled step. NULL: nothing happens. */
extern void (*wr_point_hook)(const char *label);
#define WR_POINT(label) \
	do { \
		static const char wr_point_name[] \
			__attribute__((section("wr_points"), used)) = #label; \
		if (wr_point_hook) \
			wr_point_hook(wr_point_name); \
	} while (0)
#else
#define WR_POINT(label) ((void)0)
#endif

#define wr_load_acquire(label, p) \
	__extension__({ \
		WR_POINT(label); \
		atomic_load_explicit((p), memory_order_acquire); \
	})
#define wr_load_relaxed(label, p) \
	__extension__({ \
		WR_POINT(label); \
		atomic_load_explicit((p), memory_order_relaxed); \
	})
#define wr_store_release(label, p, v) \
	do { \
		WR_POINT(label); \
		atomic_store_explicit((p), (v), memory_order_release); \
		WR_POINT(label##_done); \
	} while (0)
#define wr_store_relaxed(label, p, v) \
	do { \
		WR_POINT(label); \
		atomic_store_explicit((p), (v), memory_order_relaxed); \
		WR_POINT(label##_done); \
	} while (0)
/* Private words that several threads of this process share. */
#define wr_exchange(label, p, v) \
	atomic_exchange_explicit((p), (v), memory_order_acq_rel)
/* May fail without a reason; *was is then what was there. */
#define wr_compare_exchange(label, p, was, v) \
	atomic_compare_exchange_weak_explicit( \
		(p), (was), (v), memory_order_acq_rel, memory_order_relaxed)
#define wr_fetch_add(label, p, v) \
	atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define wr_fetch_sub_acq_rel(label, p, v) \
	atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel)

/* Statistics: written by one thread, read by anybody, ordering nothing. */
#define wr_stat_get(p)    atomic_load_explicit((p), memory_order_relaxed)
#define wr_stat_set(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define wr_stat_add(p, v) wr_stat_set((p), wr_stat_get(p) + (v))

/* Keeps the compiler from moving stores; what a death leaves behind is then a prefix of
 * the program's order. */
#define wr_order_compiler() atomic_signal_fence(memory_order_seq_cst)

#if defined(WR_TSAN)
extern wr_a64 wr_fence_word;
#define WR_FENCE_SEEN() \
	((void)atomic_fetch_add_explicit(&wr_fence_word, 1, memory_order_seq_cst))
#else
#define WR_FENCE_SEEN() atomic_thread_fence(memory_order_seq_cst)
#endif

/* Orders stores before it against loads after it, on its own. */
#define wr_fence_sc(label) \
	do { \
		WR_POINT(label); \
		WR_FENCE_SEEN(); \
	} while (0)

/* A full fence of this thread without a label: for what is not a step of the protocol. */
#define wr_fence_plain() WR_FENCE_SEEN()

/* Orders stores before it against stores after it. */
#if defined(WR_TSAN)
#define wr_fence_release(label) wr_fence_sc(label)
#define wr_fence_acquire(label) wr_fence_sc(label)
#else
#define wr_fence_release(label) \
	do { \
		WR_POINT(label); \
		atomic_thread_fence(memory_order_release); \
	} while (0)
/* Orders loads before it against loads after it. */
#define wr_fence_acquire(label) \
	do { \
		WR_POINT(label); \
		atomic_thread_fence(memory_order_acquire); \
	} while (0)
#endif

/*
 * The asymmetric pair: the light side is free, the heavy side is a system call that makes
 * every light side of the registered processes a full fence. A process may use the light
 * side only if wr_heavy_register has said yes.
 */
#if defined(WR_TSAN)
#define wr_fence_light(label) wr_fence_sc(label)
#define wr_fence_heavy(label) wr_fence_sc(label)
#else
#define wr_fence_light(label) \
	do { \
		WR_POINT(label); \
		wr_order_compiler(); \
	} while (0)
#define wr_fence_heavy(label) \
	do { \
		WR_POINT(label); \
		wr_fence_heavy_call(); \
	} while (0)
#endif

/*
 * Around a look at bytes that nobody keeps for us: their writer may be at them, and who looked
 * asks afterwards whether it was (look_fence, look_check). The thread sanitizer would call that
 * a race; between the two it watches what is read no longer, and sees the order all the same.
 */
#if defined(WR_TSAN)
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
#define wr_unkept_begin() AnnotateIgnoreReadsBegin(__FILE__, __LINE__)
#define wr_unkept_end()   AnnotateIgnoreReadsEnd(__FILE__, __LINE__)
#else
#define wr_unkept_begin() ((void)0)
#define wr_unkept_end()   ((void)0)
#endif

/* Registers this process for the heavy fence of others; false where the kernel or a
 * sandbox says no. Once per process, any thread. */
bool wr_heavy_register(void);
/* Runs the heavy fence; a full fence of our own where the kernel has none. */
void wr_fence_heavy_call(void);

/* For what is rare: kept out of the way of what is not. */
#define WR_COLD __attribute__((noinline, cold))

/* A moment's rest inside a spin. */
static inline void
wr_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield" ::: "memory");
#endif
}

#endif
