/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Prints every message of the topic "hello", until Ctrl-C. */
#include <stdio.h>
#include <weir/weir.h>

static int
print(void *f, const weir_msg *m)
{
	return fprintf(f, "%.*s\n", (int)m->len, (const char *)m->data) < 0 || fflush(f);
}

int
main(void)
{
	weir_bus *bus = weir_open("default");
	weir_subscribe(bus, "hello", .on_msg = print, .ctx = stdout);
	int code = weir_run(bus);
	return weir_close(bus) | code;
}
