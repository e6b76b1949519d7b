/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The peers, one adapter each, with the settings that their documentation recommends for
 * what is measured. */
#ifndef BENCH_PEER_PEER_H
#define BENCH_PEER_PEER_H

#include "bench/lib/gen.h"

#ifdef BENCH_ZMQ
extern const struct gen_bus zmq_push;   /* ipc, PUSH/PULL */
extern const struct gen_bus zmq_pub;    /* ipc, PUB and SUB */
extern const struct gen_bus zmq_nodrop; /* ipc, XPUB with ZMQ_XPUB_NODROP, and SUB */
#endif
#ifdef BENCH_NNG
extern const struct gen_bus nng_push; /* ipc, push0/pull0 */
extern const struct gen_bus nng_pub;  /* ipc, pub0/sub0 */
#endif
#ifdef BENCH_NATS
extern const struct gen_bus nats_core;      /* a server on the loopback device */
extern const struct gen_bus nats_jetstream; /* a stream in the memory of such a server */
/* Where its server is, NULL if it is not installed. */
const char *nats_server(void);
#endif

#endif
