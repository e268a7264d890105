/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The main of a fuzz target without libFuzzer: feeds it each file named on the command line. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	uint8_t *data = size > 0 ? malloc((size_t) size) : NULL;
	if (size < 0 || (size > 0 && (data == NULL || fread(data, (size_t) size, 1, f) != 1))) {
		perror(path);
		exit(2);
	}
	fclose(f);
	*ret_size = (size_t) size;
	return data;
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		size_t size = 0;
		uint8_t *data = read_file(argv[i], &size);
		LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
	return 0;
}
