/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Publishes "hello 0", "hello 1" ... twice a second, until Ctrl-C. */
#include <stdio.h>
#include <weir/weir.h>

int
main(void)
{
	weir_bus *bus = weir_open("default");
	weir_pub *pub = weir_advertise(bus, "hello");
	weir_claim_t m;

	for (int i = 0; weir_ok(bus) && weir_claim(pub, 32, &m) == 0; i++) {
		m.len = (size_t)snprintf(m.data, m.len, "hello %d", i);
		weir_commit(pub, &m);
		weir_sleep(bus, 500);
	}
	return weir_close(bus); /* says why, if something failed */
}
