/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* top: what goes on on a bus, on a screen that is drawn anew each second, or once. */
#include "tools/tool.h"
#include "tools/top_print.h"
#include "tools/top_screen.h"

enum {
	EVERY_MS = 1000,
	LEAST_MS = 50,
	SILENT_MS = 30 /* how long a stopped process keeps each look waiting, twice */
};

static int once, every_ms;
static int tab; /* enum top_tab and one; 0: not said */

static int
print_once(const char *bus)
{
	struct top_source source;
	int rc = top_open(&source, bus, SILENT_MS);
	if (!rc && tool_wait(-1, weir_now_ns() + (uint64_t)every_ms * 1000000) < 0)
		rc = TOOL_INTERRUPTED;
	if (!rc) {
		rc = top_again(&source);
		if (rc < 0)
			rc = tool_fail_code(rc, "looking at the bus");
	}
	if (!rc)
		top_print(source.now, tab - 1);
	top_close(&source);
	return rc;
}

static int
show(const char *bus)
{
	struct top_source source;
	struct top_start start = {
		.tab = tab ? tab - 1 : TOP_CONSUMERS, .every_ms = every_ms};
	int rc = top_open(&source, bus, SILENT_MS);
	if (!rc)
		rc = top_screen(&source, &start);
	top_close(&source);
	return rc;
}

static int
run(int argc, char **argv)
{
	const char *bus = argc ? argv[0] : tool_bus(), *why;
	if (argc > 1)
		return tool_usage("top takes one bus, got '%s' too", argv[1]);
	if (!every_ms)
		every_ms = EVERY_MS;
	if (every_ms < LEAST_MS)
		every_ms = LEAST_MS;
	if (once || tool.out != TOOL_TABLE)
		return print_once(bus);
	if (top_screen_fits(&why))
		return show(bus);
	tool_say("%s, so this is one look, as with --once", why);
	return print_once(bus);
}

static const struct tool_opt opts[] = {
	{0, "once", OPT_SET, &once, "one look, printed", 0, 1, 0},
	{0, "every", OPT_MS, &every_ms, "between two looks (1s)", "T", 0, 0},
	{0, "tab", OPT_WORD, &tab, "where it begins (consumers); what --once prints (all)",
		"WORD", 0, "all|topics|consumers|reactors|latency"},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

const struct tool_verb verb_top = {"top", "[BUS]",
	"what goes on on a bus, second by second", opts,
	"  Topics (t), consumers (c), reactors (r) and latency (l); s sorts, f filters, p\n"
	"  pauses, Enter says all of a line, w why it is at its tier, ? what all of it means, q\n"
	"  quits. What goes on is taken from the difference between two looks. It only looks:\n"
	"  nobody has it as a consumer or waits for it, and a stopped process is shown as one.\n"
	"  Where stdout is no terminal, and with -o json, it prints one look.\n",
	run, 0, 0};
