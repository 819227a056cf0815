/* The tests of skim once more, for the twin that does without SSE2. */
#define SKIM_PLAIN

/* NOLINTBEGIN(bugprone-suspicious-include): all are to be compiled again. */
#include "proxy/message/skim.c"
#include "proxy/message/skim_quick.c"
#include "proxy/message/skim_escapes.c"
#include "proxy/message/skim_text.c"
#include "tests/unit/test_skim.c"
/* NOLINTEND(bugprone-suspicious-include) */
