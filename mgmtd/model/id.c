/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/model/id.h"

#include "base/env.h"

#include <string.h>

static const char alphabet[] = "0123456789abcdefghijklmnopqrstuv";

/* 12 bytes are 96 bits: 19 characters of five bits and a last one that carries one bit, in its
 * highest position. */
static void
encode(char out[MGMT_ID_LEN + 1], const uint8_t raw[12])
{
	for (unsigned i = 0; i < MGMT_ID_LEN; i++) {
		unsigned bit = i * 5;
		unsigned pair = (unsigned) raw[bit / 8] << 8;

		if (bit / 8 + 1 < 12)
			pair |= raw[bit / 8 + 1];
		out[i] = alphabet[pair >> (11 - bit % 8) & 31];
	}
	out[MGMT_ID_LEN] = '\0';
}

struct mgmt_id
mgmt_id_new(const struct weft_env *env)
{
	static uint8_t process[5];
	static uint32_t counter;
	static bool seeded;
	uint32_t now_s = (uint32_t) (weft_env_wall_us(env) / 1000000);
	struct mgmt_id id;
	uint8_t raw[12];

	if (!seeded) {
		weft_env_random(env, process, sizeof process);
		counter = weft_env_random_u32(env);
		seeded = true;
	}
	counter++;
	for (unsigned i = 0; i < 4; i++)
		raw[i] = (uint8_t) (now_s >> (24 - 8 * i));
	memcpy(raw + 4, process, sizeof process);
	for (unsigned i = 0; i < 3; i++)
		raw[9 + i] = (uint8_t) (counter >> (16 - 8 * i));
	encode(id.s, raw);
	return id;
}

bool
mgmt_id_parse(struct mgmt_id *ret, const char *text, size_t len)
{
	if (len != MGMT_ID_LEN)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\0' || strchr(alphabet, text[i]) == NULL)
			return false;
	/* Of the last character only one bit is data. */
	if (text[len - 1] != '0' && text[len - 1] != 'g')
		return false;
	memcpy(ret->s, text, len);
	ret->s[len] = '\0';
	return true;
}

bool
mgmt_id_equal(const struct mgmt_id *a, const struct mgmt_id *b)
{
	return memcmp(a->s, b->s, MGMT_ID_LEN) == 0;
}

bool
mgmt_id_is_none(const struct mgmt_id *id)
{
	return id->s[0] == '\0';
}
