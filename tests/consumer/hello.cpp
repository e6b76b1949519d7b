/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The same from C++: options are an object. */
#include <cstdio>
#include <cstring>
#include <weir/weir.h>

static int
on_hello(void *ctx, const weir_msg *msg)
{
	if (msg->len == 9 && !std::strcmp(static_cast<const char *>(msg->data), "hi there"))
		++*static_cast<int *>(ctx);
	return 0;
}

int
main()
{
	int seen = 0;
	weir_bus *bus = weir_open(weir_bus_options("inproc:consumer"));
	weir_sub_opts want = weir_sub_options("hello");
	want.on_msg = on_hello;
	want.ctx = &seen;
	weir_subscribe(bus, want);
	weir_pub_opts opts = weir_pub_options("hello");
	opts.max_message = 4096;
	weir_pub *pub = weir_advertise(bus, opts);
	int sent = weir_send(pub, "hi there", 9);
	while (!seen && weir_turn(bus, WEIR_FOREVER) >= 0)
		;
	int code = weir_close(bus);
	if (sent || seen != 1 || code) {
		std::fprintf(stderr, "sent %d, seen %d, closed with %d\n", sent, seen, code);
		return 1;
	}
	std::printf("hi there from C++, weir %s\n", weir_version());
	return 0;
}
