/* Strings of JSON in what operators are told; escaped as those of spans are. */
#include "proxy/admin/quote.h"

#include "exporter/escape.h"
#include "exporter/text.h"

void quote_write(FILE *out, struct span_text given)
{
	struct text text;

	text_init(&text, TEXT_UNLIMITED);
	escape_append(&text, given.bytes, given.size);
	(void)fputc('"', out);
	if (text.size > 0)
		(void)fwrite(text.bytes, 1, text.size, out);
	(void)fputc('"', out);
	text_done(&text);
}
