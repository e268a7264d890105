/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of store/ share. */
#pragma once

#include "mgmtd/store/engine.h"
#include "mgmtd/store/store.h"

struct mgmt_tx {
	MgmtEngine *engine;
};

/* The boolean fields of struct mgmt_meta as bits of one column. */
int64_t mgmt_meta_flags(const struct mgmt_meta *meta);
void mgmt_meta_set_flags(struct mgmt_meta *meta, int64_t flags);

/* Lists as text with blanks between, and back; the results are the caller's. */
char *mgmt_list_ids(const GArray *ids);
GArray *mgmt_list_parse_ids(const char *text);
char *mgmt_list_ports(const GArray *ports);
GArray *mgmt_list_parse_ports(const char *text);
char *mgmt_list_ranges(const GArray *ranges);
GArray *mgmt_list_parse_ranges(const char *text);
char *mgmt_list_addresses(const GArray *addresses); /* "prefix mac" a line */
void mgmt_list_parse_addresses(GArray *ret, const char *text);
char *mgmt_list_ints(const GArray *ints);
void mgmt_list_parse_ints(GArray *ret, const char *text);

bool mgmt_load_all(MgmtEngine *e, const struct mgmt_store_loader *loader, GError **error);
