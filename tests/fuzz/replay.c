/* Runs a fuzz target over the files given, once each: the corpus as a plain test. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes;
	size_t size;
	long end;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (end = ftell(file)) < 0) {
		fprintf(stderr, "replay: cannot read %s\n", path);
		return -1;
	}
	rewind(file);
	bytes = malloc((size_t)end + 1);
	if (bytes == NULL)
		abort();
	size = fread(bytes, 1, (size_t)end, file);
	(void)fclose(file);                        /* only read */
	(void)LLVMFuzzerTestOneInput(bytes, size); /* aborts on a finding */
	free(bytes);
	return 0;
}

int main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (replay_file(argv[i]) != 0)
			return EXIT_FAILURE;
	printf("%s: %d inputs replayed\n", argv[0], argc - 1);
	return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
