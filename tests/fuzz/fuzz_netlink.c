/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What rtnetlink, the WireGuard family, the generic netlink controller and conntrack answer. Input:
 * one octet that says which parser, then the payload of one message. */
#include "tests/fuzz/fuzz.h"

#include "netlink/attrs.h"
#include "netlink/conntrack.h"
#include "netlink/ifaddr.h"
#include "netlink/link.h"
#include "netlink/route.h"
#include "netlink/rule.h"
#include "netlink/wg-genl.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define PAYLOAD_MAX 16384

union parsed {
	struct weft_nl_link link;
	struct weft_nl_addr addr;
	struct weft_nl_route route;
	struct weft_nl_rule rule;
	struct weft_nl_ct_flow flow;
};

static void
check_text(const char *text, size_t size)
{
	FUZZ_REQUIRE(memchr(text, '\0', size) != NULL);
}

static void
read_device(const struct nlmsghdr *msg)
{
	struct weft_nl_wg_device *dev = weft_nl_wg_device_new("fuzz0");

	/* Twice: a peer may continue. */
	if (weft_nl_wg_read(dev, msg) && weft_nl_wg_read(dev, msg))
		weft_nl_wg_device_normalise(dev, NULL);
	weft_nl_wg_device_free(dev);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_Alignas(8) uint8_t buf[sizeof(struct nlmsghdr) + PAYLOAD_MAX] = { 0 };
	struct nlmsghdr *msg = (struct nlmsghdr *) (void *) buf;
	union parsed out;

	if (size == 0 || size > PAYLOAD_MAX)
		return 0;
	memcpy(buf + sizeof *msg, data + 1, size - 1);
	msg->nlmsg_len = (uint32_t) (sizeof *msg + size - 1);
	memset(&out, 0, sizeof out);
	switch (data[0] % 7) {
	case 0:
		msg->nlmsg_type = RTM_NEWLINK;
		if (weft_nl_link_parse(&out.link, msg))
			check_text(out.link.name, sizeof out.link.name);
		break;
	case 1:
		msg->nlmsg_type = RTM_NEWADDR;
		if (weft_nl_addr_parse(&out.addr, msg))
			FUZZ_REQUIRE(out.addr.prefix.bits <=
				     weft_address_bits(&out.addr.prefix.addr));
		break;
	case 2:
		msg->nlmsg_type = RTM_NEWROUTE;
		(void) weft_nl_route_parse(&out.route, msg);
		break;
	case 3:
		msg->nlmsg_type = RTM_NEWRULE;
		(void) weft_nl_rule_parse(&out.rule, msg);
		break;
	case 4:
		(void) weft_nl_ct_parse(&out.flow, msg);
		break;
	case 5:
		read_device(msg);
		break;
	default:
		(void) weft_nl_genl_family_read(msg);
		break;
	}
	return 0;
}
