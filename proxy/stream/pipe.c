/* Pipes, whose descriptors are non-blocking and our own: those of a command. */
#include <unistd.h>

#include "proxy/stream/stream.h"

const struct stream_ops stream_pipe = {
	.read = read,
	.write = write,
};
