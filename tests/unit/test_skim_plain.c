/* The tests of skim once more, for the twin that does without SSE2. */
#define SKIM_PLAIN

#include "proxy/message/skim.c"
#include "tests/unit/test_skim.c"
