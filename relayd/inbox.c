/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "relayd/worker_private.h"

#include <errno.h>
#include <sys/mman.h>

/* One more than a datagram can have, so that none is cut unseen. */
#define BUFFER_SIZE (RELAY_DATAGRAM_MAX + 1)

bool
relay_inbox_init(struct relay_inbox *in)
{
	/* Touched only as far as traffic needs it. */
	void *p = mmap(NULL, (size_t) RELAY_BATCH * BUFFER_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	in->memory = p;
	for (unsigned i = 0; i < RELAY_BATCH; i++) {
		in->iov[i] = (struct iovec){ in->memory + (size_t) i * BUFFER_SIZE, BUFFER_SIZE };
		in->headers[i].msg_hdr = (struct msghdr){
			.msg_iov = &in->iov[i],
			.msg_iovlen = 1,
			.msg_name = &in->names[i],
			.msg_control = in->control[i],
		};
	}
	return true;
}

int
relay_inbox_receive(RelayWorker *w, int fd, unsigned max, unsigned *ret_first)
{
	struct relay_inbox *in = &w->inbox;
	unsigned n;
	int got;

	/* What the buffers hold may still wait to be sent. */
	if (in->used + max > RELAY_BATCH) {
		relay_to_peer_flush(w);
		relay_outbox_flush(w);
		in->used = 0;
	}
	n = in->used;
	for (unsigned i = n; i < n + max; i++) {
		in->headers[i].msg_hdr.msg_namelen = sizeof(in->names[i]);
		in->headers[i].msg_hdr.msg_controllen = RELAY_CONTROL_SIZE;
	}
	got = recvmmsg(fd, &in->headers[n], max, MSG_DONTWAIT, NULL);
	if (got < 0)
		return -errno;
	*ret_first = n;
	in->used += (unsigned) got;
	relay_count(&w->counters.udp_received, (uint64_t) got);
	return got;
}
