/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Build tool: reads what `protoc --descriptor_set_out` wrote and prints proto/methods.[ch] and
 * proto/messages.c. It runs on the building machine, is not installed, and trusts its input. */
#include <google/protobuf/descriptor.pb-c.h>

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct method {
	char path[256];
	char service[160];
	char id[160];      /* WEFT_METHOD_... */
	char request[256]; /* C name of the descriptor */
	char response[256];
	char name[96];
	bool client_streaming, server_streaming;
};

#define MAX_METHODS  512
#define MAX_MESSAGES 1024
static char messages[MAX_MESSAGES][256]; /* C names of the descriptors */
static unsigned n_messages;
static struct method methods[MAX_METHODS];
static unsigned by_path[MAX_METHODS];
static unsigned n_methods;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("gen-methods: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static void __attribute__((format(printf, 3, 4)))
print_to(char *out, size_t size, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(out, size, format, args);
	va_end(args);
	if (n < 0 || (size_t) n >= size)
		die("name too long: %s", out);
}

/* The C name that protoc-c gives to a full type name: ".a.b.FooBar" -> "a__b__foo_bar". */
static void
c_name(char *out, size_t size, const char *full)
{
	bool was_upper = true;
	size_t n = 0;

	for (full += full[0] == '.'; *full != '\0'; full++) {
		bool upper = isupper((unsigned char) *full);

		if (n + 3 > size)
			die("name too long: %s", full);
		if (*full == '.') {
			out[n++] = '_';
			out[n++] = '_';
			was_upper = true;
			continue;
		}
		if (upper && !was_upper)
			out[n++] = '_';
		out[n++] = (char) tolower((unsigned char) *full);
		was_upper = upper;
	}
	out[n] = '\0';
}

/* "GetPKCEFlow" -> "GET_PKCE_FLOW", appended to @out. */
static void
append_upper(char *out, size_t size, const char *name)
{
	size_t n = strlen(out);

	for (size_t i = 0; name[i] != '\0'; i++) {
		bool upper = isupper((unsigned char) name[i]);
		bool word = i > 0 && upper &&
			    (!isupper((unsigned char) name[i - 1]) ||
			     islower((unsigned char) name[i + 1]));

		if (n + 3 > size)
			die("name too long: %s", name);
		if (word)
			out[n++] = '_';
		out[n++] = (char) toupper((unsigned char) name[i]);
	}
	out[n] = '\0';
}

static void
add_method(const char *package,
	   const char *service,
	   const Google__Protobuf__MethodDescriptorProto *proto)
{
	struct method *m = &methods[n_methods];

	if (n_methods == MAX_METHODS)
		die("more than %d methods", MAX_METHODS);
	print_to(m->service, sizeof(m->service), "%s.%s", package, service);
	print_to(m->name, sizeof(m->name), "%s", proto->name);
	print_to(m->path, sizeof(m->path), "/%s/%s", m->service, m->name);
	print_to(m->id, sizeof(m->id), "WEFT_METHOD_");
	append_upper(m->id, sizeof(m->id), service);
	strcat(m->id, "_");
	append_upper(m->id, sizeof(m->id), m->name);
	c_name(m->request, sizeof(m->request), proto->input_type);
	c_name(m->response, sizeof(m->response), proto->output_type);
	m->client_streaming = proto->has_client_streaming && proto->client_streaming;
	m->server_streaming = proto->has_server_streaming && proto->server_streaming;
	for (unsigned i = 0; i < n_methods; i++) {
		if (strcmp(methods[i].id, m->id) == 0)
			die("%s and %s would both be %s", methods[i].path, m->path, m->id);
	}
	by_path[n_methods] = n_methods;
	n_methods++;
}

static void
add_message(const char *package, const char *name)
{
	char full[256];

	if (n_messages == MAX_MESSAGES)
		die("more than %d messages", MAX_MESSAGES);
	print_to(full, sizeof(full), "%s.%s", package, name);
	c_name(messages[n_messages], sizeof(messages[0]), full);
	n_messages++;
}

static int
compare_paths(const void *a, const void *b)
{
	return strcmp(methods[*(const unsigned *) a].path, methods[*(const unsigned *) b].path);
}

static void
read_set(const char *name)
{
	static uint8_t buf[4 * 1024 * 1024];
	Google__Protobuf__FileDescriptorSet *set;
	FILE *f = fopen(name, "rb");
	size_t len;

	if (f == NULL)
		die("%s: %s", name, strerror(errno));
	len = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	set = google__protobuf__file_descriptor_set__unpack(NULL, len, buf);
	if (set == NULL)
		die("%s: not a FileDescriptorSet", name);
	for (size_t i = 0; i < set->n_file; i++) {
		const Google__Protobuf__FileDescriptorProto *file = set->file[i];

		for (size_t j = 0; j < file->n_message_type; j++)
			add_message(file->package, file->message_type[j]->name);
		for (size_t j = 0; j < file->n_service; j++) {
			const Google__Protobuf__ServiceDescriptorProto *s = file->service[j];

			for (size_t k = 0; k < s->n_method; k++)
				add_method(file->package, s->name, s->method[k]);
		}
	}
	google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
	qsort(by_path, n_methods, sizeof(by_path[0]), compare_paths);
}

static void
write_header(FILE *f)
{
	fputs("/* Generated by proto/gen-methods.c; do not edit. */\n"
	      "#pragma once\n\n"
	      "#include \"proto/method.h\"\n\n"
	      "enum weft_proto_method_id {\n",
	      f);
	for (unsigned i = 0; i < n_methods; i++)
		fprintf(f, "\t%s,\n", methods[i].id);
	fputs("\tWEFT_METHOD_COUNT_\n};\n\n"
	      "/* Indexed by enum weft_proto_method_id. */\n"
	      "extern const struct weft_proto_method weft_proto_methods[WEFT_METHOD_COUNT_];\n"
	      "/* The same in the order of their paths (bytewise). */\n"
	      "extern const unsigned short weft_proto_methods_by_path[WEFT_METHOD_COUNT_];\n",
	      f);
}

static void
write_includes(FILE *f, const char *own, char *const headers[], int n_headers)
{
	fprintf(f, "/* Generated by proto/gen-methods.c; do not edit. */\n#include \"%s\"\n\n",
		own);
	for (int i = 0; i < n_headers; i++)
		fprintf(f, "#include \"%s\"\n", headers[i]);
	fputc('\n', f);
}

static void
write_messages(FILE *f)
{
	fputs("const ProtobufCMessageDescriptor *const weft_proto_messages[] = {\n", f);
	for (unsigned i = 0; i < n_messages; i++)
		fprintf(f, "\t&%s__descriptor,\n", messages[i]);
	fprintf(f, "};\n\nconst size_t weft_proto_n_messages = %u;\n", n_messages);
}

static void
write_methods(FILE *f)
{
	fputs("const struct weft_proto_method weft_proto_methods[WEFT_METHOD_COUNT_] = {\n", f);
	for (unsigned i = 0; i < n_methods; i++) {
		const struct method *m = &methods[i];

		fprintf(f,
			"\t[%s] = {\n\t\t.path = \"%s\",\n\t\t.service = \"%s\",\n"
			"\t\t.name = \"%s\",\n\t\t.request = &%s__descriptor,\n"
			"\t\t.response = &%s__descriptor,\n\t\t.client_streaming = %s,\n"
			"\t\t.server_streaming = %s,\n\t},\n",
			m->id, m->path, m->service, m->name, m->request, m->response,
			m->client_streaming ? "true" : "false",
			m->server_streaming ? "true" : "false");
	}
	fputs("};\n\nconst unsigned short weft_proto_methods_by_path[WEFT_METHOD_COUNT_] = {\n", f);
	for (unsigned i = 0; i < n_methods; i++)
		fprintf(f, "\t%s,\n", methods[by_path[i]].id);
	fputs("};\n", f);
}

static FILE *
open_out(const char *name)
{
	FILE *f = fopen(name, "w");

	if (f == NULL)
		die("%s: %s", name, strerror(errno));
	return f;
}

static void
close_out(FILE *f, const char *name)
{
	bool bad = ferror(f);

	if (fclose(f) != 0 || bad)
		die("%s: cannot write", name);
}

int
main(int argc, char *argv[])
{
	FILE *f;

	if (argc < 6) {
		fputs("usage: gen-methods SET METHODS.h METHODS.c MESSAGES.c HEADER...\n", stderr);
		return 2;
	}
	read_set(argv[1]);
	f = open_out(argv[2]);
	write_header(f);
	close_out(f, argv[2]);
	f = open_out(argv[3]);
	write_includes(f, "proto/methods.h", argv + 5, argc - 5);
	write_methods(f);
	close_out(f, argv[3]);
	f = open_out(argv[4]);
	write_includes(f, "proto/messages.h", argv + 5, argc - 5);
	write_messages(f);
	close_out(f, argv[4]);
	return 0;
}
