/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ChannelData, and the framing of STUN and ChannelData on TCP and TLS (RFC 8656 section 12.4 to
 * 12.6, RFC 8489 section 6.2.2). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEFT_STUN_CHANNEL_HEADER_LEN 4
#define WEFT_STUN_CHANNEL_FIRST      0x4000
#define WEFT_STUN_CHANNEL_LAST       0x4fff /* for clients to choose */

/* RFC 5766 allowed 0x4000 to 0x7fff, and its clients (coturn's tools among them) still choose from
 * all of it; there is nothing else that such a number could mean. */
#define WEFT_STUN_CHANNEL_LAST_5766 0x7fff

/* Longest frame on a stream: a message with its header and the greatest length field, padded. */
#define WEFT_STUN_FRAME_MAX (20 + 65532 + 4)

enum weft_stun_frame_kind {
	WEFT_STUN_FRAME_MORE,    /* not complete yet */
	WEFT_STUN_FRAME_MESSAGE, /* STUN message */
	WEFT_STUN_FRAME_CHANNEL, /* ChannelData */
	WEFT_STUN_FRAME_BAD,     /* neither: the stream is lost and must be closed */
};

struct weft_stun_frame {
	enum weft_stun_frame_kind kind;
	uint32_t len;   /* header and content, without ChannelData's padding */
	uint32_t total; /* bytes that the frame takes on the stream; on MORE what is needed at
			   least, the bytes at hand included */
};

/* Looks at the first frame of the @len bytes of a stream at @buf. Never reads beyond its header.
 * @max: longest frame that the receiver is willing to buffer; a longer one is BAD. */
struct weft_stun_frame weft_stun_frame_next(const uint8_t *buf, size_t len, size_t max);

static inline bool
weft_stun_is_channel(uint16_t number)
{
	return number >= WEFT_STUN_CHANNEL_FIRST && number <= WEFT_STUN_CHANNEL_LAST_5766;
}

/* ChannelData in one datagram of @len bytes. On success *@ret_channel is the number and
 * *@ret_payload_len the length of the payload, which begins at buf + 4. False if the first two
 * bits are not 01 or the datagram is shorter than its length field says.
 * Padding behind it is allowed (RFC 8656 section 12.5). Inline: it stands on the packet path. */
static inline bool
weft_stun_channel_parse(const uint8_t *buf,
			size_t len,
			uint16_t *ret_channel,
			uint16_t *ret_payload_len)
{
	uint16_t number, payload;

	if (len < WEFT_STUN_CHANNEL_HEADER_LEN)
		return false;
	number = (uint16_t) (buf[0] << 8 | buf[1]);
	payload = (uint16_t) (buf[2] << 8 | buf[3]);
	if (!weft_stun_is_channel(number) || payload > len - WEFT_STUN_CHANNEL_HEADER_LEN)
		return false;
	*ret_channel = number;
	*ret_payload_len = payload;
	return true;
}

static inline void
weft_stun_channel_header(uint8_t out[WEFT_STUN_CHANNEL_HEADER_LEN], uint16_t number, uint16_t len)
{
	out[0] = (uint8_t) (number >> 8);
	out[1] = (uint8_t) number;
	out[2] = (uint8_t) (len >> 8);
	out[3] = (uint8_t) len;
}

/* Bytes of padding that follow @len bytes on a stream. */
static inline size_t
weft_stun_padding(size_t len)
{
	return -len & 3;
}

/* Reassembles a stream into frames without copying what is complete.
 *
 * The caller reads into weft_stun_stream_room(), reports with weft_stun_stream_filled(), and takes
 * frames until none is complete. Frames point into the buffer and are valid until the next call
 * of weft_stun_stream_room(). The buffer is the caller's and bounds the longest frame. */
struct weft_stun_stream {
	uint8_t *buf;
	size_t size;
	size_t start, end; /* unread bytes */
	bool bad;
};

void weft_stun_stream_init(struct weft_stun_stream *s, uint8_t *buf, size_t size);

/* Where to read into and how much; moves an incomplete frame to the start of the buffer. */
uint8_t *weft_stun_stream_room(struct weft_stun_stream *s, size_t *ret_room);
void weft_stun_stream_filled(struct weft_stun_stream *s, size_t n);

/* The next complete frame: *@ret_frame points to its first byte, the result says what it is. On
 * MORE and BAD nothing is consumed. */
struct weft_stun_frame weft_stun_stream_take(struct weft_stun_stream *s, const uint8_t **ret_frame);
