/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rules as texts that are equal if the rules do the same. Private to the room. */
#pragma once

#include <glib.h>

struct nftnl_rule;
struct nlattr;

/* Appends the expressions of a NFTA_RULE_EXPRESSIONS attribute (NULL: none). */
void weft_nft_signature(GString *text, const struct nlattr *expressions);

/* The same of a rule that was built here. */
void weft_nft_signature_of_rule(GString *text, const struct nftnl_rule *rule);
