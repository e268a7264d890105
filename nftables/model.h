/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ruleset as a value: the contents of every set of our table. It is compiled out of rules or
 * read back from the kernel, compared, asked about packets and written.
 *
 * A packet from the overlay is looked up in at most ten sets: five shapes of tuples that must not
 * pass, then the same five that may. Exact tuples are in hash sets, prefixes and port ranges in
 * interval sets whose elements do not overlap; each element names the counter of its policy. What
 * is found nowhere is dropped. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "nftables/rule.h"

/* What distinguishes one table from another; a value. */
struct weft_nft_config {
	char table[32];      /* family inet; "weft" */
	char interface[16];  /* the overlay's link; "weft0" */
	bool filter_forward; /* drop what is forwarded from the overlay and not allowed */
	bool filter_output;  /* obey OUT rules and drop other packets into the overlay */
};

/* Table weft, interface weft0, forward but not output filtered. */
struct weft_nft_config weft_nft_config_default(void);

/* False with WEFT_NFT_ERROR_INVALID: an empty, overlong or unprintable name. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nft_config_check(const struct weft_nft_config *config,
						     GError **error);

/* The five shapes; RANGE elements are closed intervals in every dimension. */
enum weft_nft_shape {
	WEFT_NFT_HOST,           /* address: any protocol */
	WEFT_NFT_HOST_PROTOCOL,  /* address, protocol: any port */
	WEFT_NFT_HOST_PORT,      /* address, protocol, port */
	WEFT_NFT_RANGE_PROTOCOL, /* addresses, protocols: any port */
	WEFT_NFT_RANGE_PORT,     /* addresses, protocol, ports */
	WEFT_NFT_SHAPE_COUNT_
};

/* Sets are numbered by direction, family, action and shape. */
#define WEFT_NFT_SET_COUNT                                                                         \
	(WEFT_NFT_DIRECTION_COUNT_ * 2 * WEFT_NFT_ACTION_COUNT_ * WEFT_NFT_SHAPE_COUNT_)

struct weft_nft_set_id {
	enum weft_nft_direction direction;
	enum weft_family family;
	enum weft_nft_action action;
	enum weft_nft_shape shape;
};

unsigned weft_nft_set_index(struct weft_nft_set_id id);
struct weft_nft_set_id weft_nft_set_id(unsigned index);

/* "in4_accept_host_port", ... */
#define WEFT_NFT_SET_NAME_SIZE 32
char *weft_nft_set_name(unsigned index, char out[WEFT_NFT_SET_NAME_SIZE]);

/* Key as in the kernel: fields in network byte order, each padded to a multiple of four octets. */
#define WEFT_NFT_KEY_SIZE 24
unsigned weft_nft_set_key_len(unsigned index);
bool weft_nft_set_is_range(unsigned index);

struct weft_nft_element {
	uint8_t key[WEFT_NFT_KEY_SIZE];
	uint8_t end[WEFT_NFT_KEY_SIZE]; /* equal to key in sets of exact tuples */
	uint32_t counter;               /* index into the model's counters */
};

typedef struct weft_nft_model WeftNftModel;

/* One rule that was refused. */
struct weft_nft_refusal {
	size_t rule; /* index into the rules given */
	enum weft_nft_defect defect;
};

/* Compiles @n rules. The result depends on the set of rules, not on their order: duplicates and
 * overlaps are merged (the counter of the smaller name keeps what two policies say; what a wider
 * tuple of the same action says already is left out), and DROP comes before ACCEPT. A rule that
 * cannot be is left out and added to @refusals (array of struct weft_nft_refusal, or NULL); the
 * rest applies. NULL only for an invalid @config or more than WEFT_NFT_LIMIT_RULES rules. */
G_GNUC_WARN_UNUSED_RESULT WeftNftModel *weft_nft_compile(const struct weft_nft_config *config,
							 const struct weft_nft_rule *rules,
							 size_t n,
							 GArray *refusals,
							 GError **error);

/* Models do not change any more and are shared. Not for several threads. */
WeftNftModel *weft_nft_model_ref(const WeftNftModel *model);
void weft_nft_model_unref(WeftNftModel *model); /* takes NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNftModel, weft_nft_model_unref)

const struct weft_nft_config *weft_nft_model_config(const WeftNftModel *model);

/* Sorted by key. Borrowed. */
const struct weft_nft_element *weft_nft_model_elements(const WeftNftModel *model,
						       unsigned set,
						       size_t *ret_n);
size_t weft_nft_model_element_count(const WeftNftModel *model);

/* Sorted by name, without duplicates: the policies named by elements. */
size_t weft_nft_model_counter_count(const WeftNftModel *model);
const char *weft_nft_model_counter(const WeftNftModel *model, uint32_t index);

/* Same configuration, elements and counters. */
bool weft_nft_model_equal(const WeftNftModel *a, const WeftNftModel *b);

/* The first packet of a flow, as the table sees it. */
struct weft_nft_packet {
	enum weft_nft_direction direction;
	struct weft_address remote;
	uint8_t protocol; /* IPPROTO_*; ICMPv6 is 58 */
	uint16_t port;    /* destination port; 0 for protocols without */
};

/* What the table does with it. @ret_counter (or NULL) is set to the index of the counter that
 * counts it, or UINT32_MAX for the default. */
enum weft_nft_action weft_nft_model_decide(const WeftNftModel *model,
					   const struct weft_nft_packet *packet,
					   uint32_t *ret_counter);
