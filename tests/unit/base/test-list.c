/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/list.h"

#include <glib.h>
#include <stdlib.h>

struct item {
	int before;
	struct weft_list link;
	char name;
};

static void
append(struct weft_list *head, char name)
{
	struct item *item = g_new0(struct item, 1);

	item->name = name;
	weft_list_append(head, &item->link);
}

static struct item *
item_of(struct weft_list *link)
{
	return weft_container_of(link, struct item, link);
}

/* Reads the list in both directions. */
static void
assert_names(struct weft_list *head, const char *names)
{
	g_autoptr(GString) there = g_string_new(NULL);
	g_autoptr(GString) back = g_string_new(NULL);

	weft_list_each (link, head)
		g_string_append_c(there, item_of(link)->name);
	for (struct weft_list *link = head->prev; link != head; link = link->prev)
		g_string_prepend_c(back, item_of(link)->name);
	g_assert_cmpstr(there->str, ==, names);
	g_assert_cmpstr(back->str, ==, names);
	g_assert_cmpint(weft_list_is_empty(head), ==, names[0] == '\0');
}

static void
clear(struct weft_list *head)
{
	weft_list_each_safe (link, head) {
		weft_list_remove(link);
		g_free(item_of(link));
	}
	g_assert_true(weft_list_is_empty(head));
}

static void
fill(struct weft_list *head, const char *names)
{
	weft_list_init(head);
	for (; *names != '\0'; names++)
		append(head, *names);
}

static void
test_order_at_both_ends(void)
{
	struct weft_list head;
	struct item first = { .name = 'x' };

	fill(&head, "abc");
	weft_list_prepend(&head, &first.link);
	assert_names(&head, "xabc");
	g_assert_true(weft_list_first(&head) == &first.link);
	g_assert_true(weft_list_last(&head) == head.prev);
	weft_list_remove(&first.link);
	weft_list_prepend(head.next, &first.link); /* behind an entry */
	assert_names(&head, "axbc");
	weft_list_remove(&first.link);
	weft_list_append(head.next, &first.link); /* before it */
	assert_names(&head, "xabc");
	weft_list_remove(&first.link);
	clear(&head);
}

static void
test_an_entry_is_removed_any_number_of_times(void)
{
	struct weft_list head;
	struct item item = { .name = 'x' };

	fill(&head, "ab");
	weft_list_init(&item.link);
	g_assert_true(weft_list_is_empty(&item.link));
	weft_list_remove(&item.link);
	weft_list_append(&head, &item.link);
	g_assert_false(weft_list_is_empty(&item.link));
	weft_list_remove(&item.link);
	weft_list_remove(&item.link);
	g_assert_true(weft_list_is_empty(&item.link));
	assert_names(&head, "ab");
	clear(&head);
}

static void
test_pop_takes_from_the_front(void)
{
	struct weft_list head;
	struct item *a, *b;

	fill(&head, "ab");
	a = item_of(head.next);
	b = item_of(head.prev);
	g_assert_true(weft_list_pop(&head) == &a->link);
	g_assert_true(weft_list_is_empty(&a->link));
	assert_names(&head, "b");
	g_assert_true(weft_list_pop(&head) == &b->link);
	g_free(a);
	g_free(b);
	g_assert_null(weft_list_pop(&head));
	g_assert_null(weft_list_first(&head));
	g_assert_null(weft_list_last(&head));
}

static const struct {
	const char *to, *from, *both;
} splices[] = {
	{ "", "", "" },       { "a", "", "a" },     { "", "a", "a" },
	{ "ab", "c", "abc" }, { "a", "bc", "abc" },
};

static void
test_splice_moves_all(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(splices); i++) {
		struct weft_list to, from;

		fill(&to, splices[i].to);
		fill(&from, splices[i].from);
		weft_list_splice(&to, &from);
		assert_names(&to, splices[i].both);
		assert_names(&from, "");
		append(&from, 'z');
		assert_names(&to, splices[i].both);
		clear(&from);
		clear(&to);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/list/order-at-both-ends", test_order_at_both_ends);
	g_test_add_func("/base/list/an-entry-is-removed-any-number-of-times",
			test_an_entry_is_removed_any_number_of_times);
	g_test_add_func("/base/list/pop-takes-from-the-front", test_pop_takes_from_the_front);
	g_test_add_func("/base/list/splice-moves-all", test_splice_moves_all);
	return g_test_run();
}
