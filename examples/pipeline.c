/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Two threads deal out numbers, the loop of the main thread adds them up: a queue with many
 * producers, whose consumer is woken by what is put. Prints the sum. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <weir/queue.h>

enum { DEALERS = 2, EACH = 100000 };

static void *
deal(void *arg)
{
	weir_tx *tx = arg;

	weir_tx_adopt(tx);
	for (long i = 1; i <= EACH; i++)
		while (weir_tx_put(tx, &i) == -WEIR_E_AGAIN_FULL)
			sched_yield();
	weir_tx_close(tx);
	return NULL;
}

static int
add(void *sum, const weir_item *item)
{
	*(long *)sum += *(const long *)item->data;
	return 0;
}

static int
stop(void *sum)
{
	printf("%ld\n", *(long *)sum);
	return 1; /* ends weir_turn, with this value */
}

int
main(void)
{
	weir_bus *bus = weir_open("inproc:pipeline");
	weir_queue *queue = weir_queue_create(.kind = WEIR_SUB, .item = sizeof(long));
	pthread_t threads[DEALERS];
	long sum = 0;

	weir_queue_sub(queue, .bus = bus, .on_item = add, .on_end = stop, .ctx = &sum);
	for (int i = 0; i < DEALERS; i++)
		pthread_create(&threads[i], NULL, deal, weir_queue_pub(queue));
	weir_queue_close(queue); /* no more dealers will come */
	weir_run(bus);           /* until stop says so */
	for (int i = 0; i < DEALERS; i++)
		pthread_join(threads[i], NULL);
	return weir_close(bus);
}
