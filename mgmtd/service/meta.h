/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PeerSystemMeta of a request as the model keeps it. */
#pragma once

#include <stdbool.h>

#include "mgmtd/model/types.h"

struct Management__PeerSystemMeta;

#define MGMT_META_TEXT_MAX         256 /* longer texts are cut: names and versions, for display */
#define MGMT_META_ADDRESSES_MAX    128 /* interface addresses that are kept */
#define MGMT_META_CAPABILITIES_MAX 64

/* Fills @ret (mgmt_meta_clear() it). Texts are cut at a bound and cleaned of control characters;
 * addresses that do not parse are left out. */
void mgmt_meta_from_proto(struct mgmt_meta *ret, const struct Management__PeerSystemMeta *meta);

/* One authorized_keys line out of @len bytes; "" if it is none. Free with g_free(). */
char *mgmt_ssh_key_from_bytes(const void *data, size_t len);
