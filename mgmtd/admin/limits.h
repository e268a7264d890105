/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bounds of the operations in admin/, each with its reason. */
#pragma once

#define MGMT_LIMIT_NAME        128   /* names are for people and for one line of a table */
#define MGMT_LIMIT_DESCRIPTION 1024  /* a paragraph */
#define MGMT_LIMIT_RULES       64    /* per policy: more is another policy */
#define MGMT_LIMIT_PORTS       4096  /* per rule; each is a rule for every peer it names */
#define MGMT_LIMIT_RULE_GROUPS 1024  /* per side of a rule */
#define MGMT_LIMIT_GROUPS      10000 /* per account */
#define MGMT_LIMIT_POLICIES    10000
#define MGMT_LIMIT_SETUP_KEYS  10000
#define MGMT_LIMIT_TOKENS      100
#define MGMT_LIMIT_QUEUE       10000 /* operations waiting for the store; then UNAVAILABLE */
