/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A program outside the tree: one message to itself. */
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>

int
main(void)
{
	weir_bus *bus = weir_open("inproc:consumer");
	weir_sub *sub = weir_subscribe(bus, "hello");
	weir_pub *pub = weir_advertise(bus, "hello");
	char buf[16] = "";
	int sent = weir_send(pub, "hi there", 9);
	int got = weir_recv(sub, buf, sizeof(buf), WEIR_FOREVER, NULL);
	int code = weir_close(bus);

	if (sent || got != 9 || strcmp(buf, "hi there") != 0 || code) {
		fprintf(stderr, "sent %d, got %d '%s', closed with %d\n", sent, got,
			buf, code);
		return 1;
	}
	printf("%s from C, weir %s\n", buf, weir_version());
	return 0;
}
