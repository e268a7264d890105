/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Appending protobuf fields to a GByteArray, for messages that are concatenated out of packed
 * parts. Fields have to be appended in the order of their numbers to equal an encoder's output.
 * Default values are the caller's to leave out, except where a function says otherwise. */
#pragma once

#include <glib.h>
#include <stdint.h>

void mgmt_pack_varint(GByteArray *out, uint64_t value);
void mgmt_pack_uint(GByteArray *out, unsigned field, uint64_t value); /* nothing for 0 */
void mgmt_pack_bytes(GByteArray *out, unsigned field, const void *data, size_t len);
void mgmt_pack_text(GByteArray *out, unsigned field, const char *text); /* nothing for "" */
void mgmt_pack_message(GByteArray *out, unsigned field, const GByteArray *message);
/* An embedded message without content: present, unlike an absent one. */
void mgmt_pack_empty(GByteArray *out, unsigned field);

/* Bytes that @value takes as a varint. */
unsigned mgmt_pack_varint_size(uint64_t value);

/* A 64-bit hash for telling contents apart, seeded per process: a peer that chooses its own name
 * cannot aim for a collision. */
uint64_t mgmt_pack_hash(const void *data, size_t len, uint64_t seed);
