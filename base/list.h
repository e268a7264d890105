/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An intrusive doubly linked list: the links stand in the caller's structs, nothing is allocated. A
 * list is a circle through its head; an entry that is in no list points at itself, so that it can
 *be removed at any time. Not thread-safe.
 *
 *	struct session { struct weft_list by_age; ... };
 *
 *	struct weft_list sessions;
 *	weft_list_init(&sessions);
 *	weft_list_append(&sessions, &session->by_age);
 *	weft_list_each (link, &sessions)
 *		use(weft_container_of(link, struct session, by_age));
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct weft_list {
	struct weft_list *next, *prev;
};

/* The struct of @type whose member @member is at @ptr. */
#define weft_container_of(ptr, type, member)                                                       \
	((type *) (void *) ((char *) (ptr) + 0 * sizeof((ptr) == &((type *) 0)->member) -          \
			    offsetof(type, member)))

/* From the first to the last; the loop must not remove @link. */
#define weft_list_each(link, head)                                                                 \
	for (struct weft_list *link = (head)->next; link != (head); link = link->next)

/* The same, but the loop may remove (and free) @link, though no other entry. */
#define weft_list_each_safe(link, head)                                                            \
	for (struct weft_list *link = (head)->next, *link##_next = link->next; link != (head);     \
	     link = link##_next, link##_next = link->next)

/* Makes a head an empty list, an entry one that is in no list. */
static inline void
weft_list_init(struct weft_list *list)
{
	list->next = list->prev = list;
}

/* Of a head: is the list empty? Of an entry: is it in no list? */
static inline bool
weft_list_is_empty(const struct weft_list *list)
{
	return list->next == list;
}

/* Puts @entry, which must be in no list, behind @at: at the front of the list whose head @at is. */
static inline void
weft_list_prepend(struct weft_list *at, struct weft_list *entry)
{
	entry->next = at->next;
	entry->prev = at;
	at->next->prev = entry;
	at->next = entry;
}

/* Puts @entry, which must be in no list, before @at: at the end of the list whose head @at is. */
static inline void
weft_list_append(struct weft_list *at, struct weft_list *entry)
{
	weft_list_prepend(at->prev, entry);
}

/* Takes @entry out of its list; harmless if it is in none. It may be put into another one. */
static inline void
weft_list_remove(struct weft_list *entry)
{
	entry->prev->next = entry->next;
	entry->next->prev = entry->prev;
	weft_list_init(entry);
}

/* The first link, or NULL. */
static inline struct weft_list *
weft_list_first(const struct weft_list *head)
{
	return head->next == head ? NULL : head->next;
}

static inline struct weft_list *
weft_list_last(const struct weft_list *head)
{
	return head->prev == head ? NULL : head->prev;
}

/* Takes out the first link and returns it, or NULL. */
static inline struct weft_list *
weft_list_pop(struct weft_list *head)
{
	struct weft_list *first = weft_list_first(head);

	if (first != NULL)
		weft_list_remove(first);
	return first;
}

/* Moves all entries of @from, in their order, to the end of @to; @from is empty then. */
static inline void
weft_list_splice(struct weft_list *to, struct weft_list *from)
{
	if (weft_list_is_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	weft_list_init(from);
}
