/*
 * Preloaded into the program, this refuses allocations: its own, and those of all its libraries.
 * Which ones is told by a file that it and the test have mapped, REFUSE_FILE; where the first of
 * them was asked for is written to REFUSE_TRACE. What the program starts is left alone.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define REFUSE_FRAMES 48
#define REFUSE_NEAR   8 /* frames that tell one place from another, our own two included */
#define REFUSE_SITES  65536

/* lib/refuse.py knows it, too. */
struct refuse_orders {
	_Atomic uint64_t count;       /* allocations so far */
	_Atomic uint64_t first, last; /* the ones that are refused, by their number; from 1 */
	_Atomic uint64_t refused;
	uint64_t sites[REFUSE_SITES]; /* of each, where it was asked for: a sum of the stack */
};

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static struct refuse_orders *refuse_orders;
static int refuse_trace = -1;
/* What looks at the stack may allocate; and a library's thread-local memory is allocated itself. */
static __thread bool refuse_looking __attribute__((tls_model("initial-exec")));

static void refuse_look(uint64_t number, bool refused)
{
	void *frames[REFUSE_FRAMES];
	uint64_t site = 0;
	int count, i;

	refuse_looking = true;
	count = backtrace(frames, REFUSE_FRAMES);
	for (i = 0; i < count && i < REFUSE_NEAR; i++)
		site = site * 1000003 + (uintptr_t)frames[i];
	refuse_orders->sites[number % REFUSE_SITES] = site;
	if (refused && atomic_fetch_add(&refuse_orders->refused, 1) == 0 && refuse_trace >= 0)
		backtrace_symbols_fd(frames, count, refuse_trace);
	refuse_looking = false;
}

/* Whether this allocation is one of those that fail. */
static bool refuse_this(void)
{
	uint64_t number;
	bool refused;

	if (refuse_orders == NULL || refuse_looking)
		return false;
	number = atomic_fetch_add(&refuse_orders->count, 1) + 1;
	refused = number >= refuse_orders->first && number <= refuse_orders->last;
	refuse_look(number, refused);
	if (refused)
		errno = ENOMEM;
	return refused;
}

void *malloc(size_t size)
{
	return refuse_this() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return refuse_this() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return refuse_this() ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return refuse_this() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **made, size_t alignment, size_t size)
{
	void *memory = refuse_this() ? NULL : __libc_memalign(alignment, size);

	if (memory == NULL)
		return ENOMEM;
	*made = memory;
	return 0;
}

__attribute__((constructor)) static void refuse_begin(void)
{
	const char *path = getenv("REFUSE_FILE"), *trace = getenv("REFUSE_TRACE");
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void *frame, *orders;

	if (trace != NULL)
		refuse_trace = open(trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	(void)unsetenv("LD_PRELOAD"); /* its name is a valid one */
	(void)unsetenv("REFUSE_FILE");
	(void)unsetenv("REFUSE_TRACE");
	if (fd < 0)
		return;
	orders = mmap(NULL, sizeof *refuse_orders, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);            /* the mapping stays */
	(void)backtrace(&frame, 1); /* the first call loads a library */
	if (orders != MAP_FAILED)
		refuse_orders = orders;
}
