/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/json.h"
#include "tools/text.h"
#include "tools/tool.h"

static void
show_json(const weir_msg *msg)
{
	struct json j;
	json_init(&j, stdout);
	json_object(&j, NULL);
	json_str(&j, "topic", msg->topic);
	json_id(&j, "publisher", msg->publisher);
	json_u64(&j, "seq", msg->seq);
	json_u64(&j, "lost", msg->lost);
	if (msg->time_ns) {
		json_u64(&j, "time_ns", msg->time_ns);
		json_i64(&j, "age_ns", (int64_t)(weir_now_ns() - msg->time_ns));
	} else {
		json_null(&j, "time_ns");
		json_null(&j, "age_ns");
	}
	json_u64(&j, "len", msg->len);
	json_data(&j, msg->data, msg->len);
	json_end_object(&j);
}

static void
show_hex(const weir_msg *msg)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *data = msg->data;
	for (size_t i = 0; i < msg->len; i++) {
		putchar(digits[data[i] >> 4]);
		putchar(digits[data[i] & 15]);
	}
	putchar('\n');
}

/* C0 except tab and newline, DEL, and C1 (U+0080 to U+009F): what steers a terminal. */
static int
steers(const unsigned char *p, size_t step)
{
	if (step == 1)
		return (p[0] < 0x20 && p[0] != '\t' && p[0] != '\n') || p[0] == 0x7f;
	return step == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

static void
show_text(const weir_msg *msg)
{
	const unsigned char *data = msg->data;
	size_t len = msg->len;
	if (len && data[len - 1] == '\n')
		len--;
	for (size_t i = 0; i < len;) {
		size_t step = text_utf8(data + i, len - i);
		if (step && !steers(data + i, step)) {
			fwrite(data + i, 1, step, stdout);
			i += step;
		} else {
			printf("\\x%02x", data[i++]);
		}
	}
	putchar('\n');
}

void
show_message(const struct show *show, const weir_msg *msg)
{
	if (tool.out != TOOL_TABLE) {
		show_json(msg);
		return;
	}
	if (show->mode == SHOW_RAW) {
		fwrite(msg->data, 1, msg->len, stdout);
		return;
	}
	if (show->with_topic)
		printf("%s: ", msg->topic);
	if (show->mode == SHOW_HEX)
		show_hex(msg);
	else
		show_text(msg);
}

void
show_reasons(const struct show_losses *losses, char *to, size_t size)
{
	const struct {
		uint64_t count;
		const char *what;
	} all[] = {{losses->behind, "left behind"}, {losses->conflated, "conflated"},
		{losses->expired, "expired"}, {losses->gone, "gone before the join"}};
	size_t at = 0;
	to[0] = 0;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!all[i].count)
			continue;
		int len = snprintf(to + at, size - at, "%s%" PRIu64 " %s",
			at ? ", " : " (", all[i].count, all[i].what);
		if (len < 0 || (size_t)len + 2 > size - at)
			break;
		at += (size_t)len;
	}
	if (at)
		snprintf(to + at, size - at, ")");
}

void
show_loss(const weir_msg *msg, const struct show_losses *losses)
{
	char why[160];
	show_reasons(losses, why, sizeof(why));
	tool_complain("! %s: lost %" PRIu64 " message%s before seq %" PRIu64 "%s",
		msg->topic, msg->lost, msg->lost == 1 ? "" : "s", msg->seq, why);
}

static const char *
event_words(const weir_event *event)
{
	switch (event->kind) {
	case WEIR_EV_NODE_JOINED:
		return "+ joined the bus";
	case WEIR_EV_NODE_LEFT:
		return "- left the bus";
	case WEIR_EV_NODE_DIED:
		return "! died";
	case WEIR_EV_PUB_JOINED:
		return "+ publishes";
	case WEIR_EV_PUB_LEFT:
		return "- has ended its stream";
	case WEIR_EV_PUB_DIED:
		return "! died; what it had committed still arrives";
	case WEIR_EV_SUB_JOINED:
		return "+ subscribes";
	case WEIR_EV_SUB_LEFT:
		return "- no longer subscribes";
	case WEIR_EV_SUB_DIED:
		return "! died, was subscribed";
	case WEIR_EV_PENDING:
		return "! does not answer yet; it is admitted when it does";
	case WEIR_EV_ADMITTED:
		return "+ answered and is admitted";
	case WEIR_EV_REFUSED:
		return "! does not fit";
	case WEIR_EV_DENIED:
		return "! was turned away, it has no permission";
	case WEIR_EV_SUB_DETACHED:
		return "! is not waited for any more";
	case WEIR_EV_SUB_RETURNED:
		return "+ has caught up and is waited for again";
	case WEIR_EV_DETACHED:
		return "! does not wait for us any more";
	case WEIR_EV_RETURNED:
		return "+ waits for us again";
	case WEIR_EV_PROTOCOL:
		return "! broke the protocol and was put out";
	case WEIR_EV_TIER:
		return "~ is at another tier";
	case WEIR_EV_ASKED:
		return "~ was asked for something";
	case WEIR_EV_CUT:
		return "! is gone, and what it published last cannot be reached";
	}
	return "? did something that this version does not know";
}

/* Somebody is not waited for any more, or is again. */
static int
is_verdict(const weir_event *event)
{
	return event->kind == WEIR_EV_SUB_DETACHED || event->kind == WEIR_EV_DETACHED ||
		event->kind == WEIR_EV_SUB_RETURNED || event->kind == WEIR_EV_RETURNED;
}

/* Losses and everything with a "!" are told even where the rest is quiet. */
void
show_event(const weir_event *event)
{
	const char *words = event_words(event);
	int bus_only =
		event->kind == WEIR_EV_NODE_JOINED || event->kind == WEIR_EV_NODE_LEFT;
	if (bus_only && !tool.verbose)
		return;
	void (*tell)(const char *, ...) = words[0] == '!' ? tool_complain : tool_say;
	if (event->dropped)
		tool_complain("! %" PRIu64 " events were not seen", event->dropped);
	if (event->kind == WEIR_EV_TIER) {
		tool_say("~ %s", event->why);
		return;
	}
	if (event->kind == WEIR_EV_ASKED) {
		tool_say("~ %s%s%s", event->topic, event->topic[0] ? ": " : "",
			event->why);
		return;
	}
	char stalled[64] = "";
	if (is_verdict(event) && event->stalled_ns)
		snprintf(stalled, sizeof(stalled), "; it cost %s of waiting so far",
			text_ns((double)event->stalled_ns).s);
	tell("%c %s%s%s[%" PRIu32 "] %s%s%s%s%s%s", words[0], event->topic,
		event->topic[0] ? ": " : "", event->node, event->pid, words + 2,
		event->code ? ": " : "",
		event->code && is_verdict(event) ? weir_err_name(event->code) : "",
		event->code && is_verdict(event) ? ", " : "",
		event->code ? weir_err_text(event->code) : "", stalled);
}
