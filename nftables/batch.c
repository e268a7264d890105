/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/batch.h"

#include "nftables/limits.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

struct weft_nft_batch {
	GByteArray *bytes; /* the marker at the beginning, then the messages */
	GPtrArray *what;   /* char *, one per message */
	uint32_t first;    /* number of the first marker */
	bool has_generation;
	uint32_t generation;
	struct nlmsghdr *open;
	/* Whole messages are built here: libnftnl writes without asking for room. */
	_Alignas(struct nlmsghdr) uint8_t scratch[2 * WEFT_NFT_MESSAGE_SIZE];
};

/* Room for the first marker with a generation, filled in at the end. */
#define MARKER_SIZE (sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg))
#define BEGIN_SIZE  (MARKER_SIZE + 8)

WeftNftBatch *
weft_nft_batch_new(void)
{
	WeftNftBatch *batch = g_new0(WeftNftBatch, 1);

	batch->bytes = g_byte_array_new();
	g_byte_array_set_size(batch->bytes, BEGIN_SIZE);
	batch->what = g_ptr_array_new_with_free_func(g_free);
	return batch;
}

void
weft_nft_batch_free(WeftNftBatch *batch)
{
	if (batch == NULL)
		return;
	g_byte_array_unref(batch->bytes);
	g_ptr_array_unref(batch->what);
	g_free(batch);
}

void
weft_nft_batch_require_generation(WeftNftBatch *batch, uint32_t generation)
{
	batch->has_generation = true;
	batch->generation = generation;
}

static struct nlmsghdr *
put_header(void *buf, uint16_t type, uint16_t flags, uint8_t family, uint16_t res_id)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *gen;

	msg->nlmsg_type = type;
	msg->nlmsg_flags = (uint16_t) (NLM_F_REQUEST | flags);
	gen = mnl_nlmsg_put_extra_header(msg, sizeof *gen);
	gen->nfgen_family = family;
	gen->version = NFNETLINK_V0;
	gen->res_id = htons(res_id);
	return msg;
}

struct nlmsghdr *
weft_nft_batch_begin(WeftNftBatch *batch, uint16_t type, uint16_t flags, const char *what)
{
	g_assert(batch->open == NULL);
	g_ptr_array_add(batch->what, g_strdup(what));
	batch->open = put_header(batch->scratch, (uint16_t) (NFNL_SUBSYS_NFTABLES << 8 | type),
				 flags, NFPROTO_INET, 0);
	return batch->open;
}

void
weft_nft_batch_end(WeftNftBatch *batch)
{
	g_assert(batch->open != NULL && batch->open->nlmsg_len <= sizeof batch->scratch);
	g_byte_array_append(batch->bytes, batch->scratch, NLMSG_ALIGN(batch->open->nlmsg_len));
	batch->open = NULL;
}

size_t
weft_nft_batch_count(const WeftNftBatch *batch)
{
	return batch->what->len;
}

/* Numbers what lies between the markers; the last one is acknowledged. */
static uint32_t
number_messages(WeftNftBatch *batch, uint32_t seq)
{
	uint8_t *bytes = batch->bytes->data;
	size_t at = BEGIN_SIZE, last = at;
	struct nlmsghdr header;

	while (at < batch->bytes->len) {
		memcpy(&header, bytes + at, sizeof header);
		header.nlmsg_seq = ++seq;
		memcpy(bytes + at, &header, sizeof header);
		last = at;
		at += NLMSG_ALIGN(header.nlmsg_len);
	}
	memcpy(&header, bytes + last, sizeof header);
	header.nlmsg_flags |= NLM_F_ACK;
	memcpy(bytes + last, &header, sizeof header);
	return seq;
}

const void *
weft_nft_batch_finish(WeftNftBatch *batch, uint32_t seq, size_t *ret_len, uint32_t *ret_last)
{
	_Alignas(struct nlmsghdr) uint8_t marker[BEGIN_SIZE] = { 0 };
	struct nlmsghdr *msg;
	size_t skipped = BEGIN_SIZE;

	if (batch->what->len == 0 || batch->bytes->len > WEFT_NFT_LIMIT_BATCH)
		return NULL;
	batch->first = seq;
	*ret_last = number_messages(batch, seq);

	msg = put_header(marker, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	msg->nlmsg_seq = seq;
	if (batch->has_generation)
		mnl_attr_put_u32(msg, NFNL_BATCH_GENID, htonl(batch->generation));
	skipped -= msg->nlmsg_len;
	memcpy(batch->bytes->data + skipped, marker, msg->nlmsg_len);

	msg = put_header(marker, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	msg->nlmsg_seq = *ret_last + 1;
	g_byte_array_append(batch->bytes, marker, msg->nlmsg_len);
	*ret_len = batch->bytes->len - skipped;
	return batch->bytes->data + skipped;
}

const char *
weft_nft_batch_what(const WeftNftBatch *batch, uint32_t seq)
{
	uint32_t i = seq - batch->first - 1;

	return i < batch->what->len ? batch->what->pdata[i] : "commit";
}
