/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The main of a fuzz target without libFuzzer: feeds it each file named on the command line, whole
 * and cut off after each of its first bytes. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define MAX_CUTS 256

/* Reads the whole file into a block of exactly its size, so that a sanitizer sees every overrun. */
static uint8_t *
read_file(const char *path, size_t *ret_size)
{
	FILE *f = fopen(path, "rb");
	if (f == NULL || fseek(f, 0, SEEK_END) != 0) {
		perror(path);
		exit(2);
	}
	long size = ftell(f);
	rewind(f);
	uint8_t *data = size >= 0 ? malloc((size_t) size) : NULL;
	if (data == NULL || (size > 0 && fread(data, (size_t) size, 1, f) != 1)) {
		perror(path);
		exit(2);
	}
	fclose(f);
	*ret_size = (size_t) size;
	return data;
}

/* A parser's commonest fault is to read on where the input has ended. */
static void
run_cut(const uint8_t *data, size_t size)
{
	for (size_t len = 0; len < size && len < MAX_CUTS; len++) {
		uint8_t *cut = malloc(len); /* not NULL for 0 with glibc, as under libFuzzer */
		if (cut == NULL)
			abort();
		if (len > 0)
			memcpy(cut, data, len);
		(void) LLVMFuzzerTestOneInput(cut, len); /* 0 by contract */
		free(cut);
	}
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		size_t size = 0;
		uint8_t *data = read_file(argv[i], &size);
		(void) LLVMFuzzerTestOneInput(data, size); /* 0 by contract */
		run_cut(data, size);
		free(data);
	}
	return 0;
}
