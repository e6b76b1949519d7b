/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Gives a target the files of its corpus, once each: what stands in for libFuzzer where
 * there is none, so that every build with every compiler knows the inputs found so far.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

static int ran;

static int
replay_file(const char *path)
{
	static uint8_t data[1 << 20];
	FILE *f = fopen(path, "rb");
	uint8_t *exact;
	size_t size;

	if (!f) {
		perror(path);
		return 1;
	}
	size = fread(data, 1, sizeof(data), f);
	fclose(f);
	/* A copy of exactly this size, so that a sanitizer sees a step beyond it. */
	exact = malloc(size + !size);
	if (!exact)
		return 1;
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	ran++;
	return 0;
}

static int
replay_dir(const char *path, DIR *dir)
{
	struct dirent *entry;
	int bad = 0;

	while ((entry = readdir(dir))) {
		char name[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		bad |= replay_file(name);
	}
	closedir(dir);
	return bad;
}

int
main(int argc, char **argv)
{
	int bad = argc < 2;

	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);

		bad |= dir ? replay_dir(argv[i], dir) : replay_file(argv[i]);
	}
	printf("%d inputs\n", ran);
	return bad || !ran;
}
