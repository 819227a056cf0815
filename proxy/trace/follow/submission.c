/* Packing a submission into one allocation: the struct, its arrays, then all texts in a row. */
#include "proxy/trace/follow/submission.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/trace/names/text.h"

struct submission *submission_new(const struct submission_request *request,
	const struct submission_value *values, size_t value_count)
{
	size_t size = sizeof(struct submission) + value_count * sizeof *values +
		      request->attribute_count * sizeof *request->attributes +
		      request->tracestate.size;
	struct submission *submission;
	char *at;
	size_t i;

	for (i = 0; i < value_count; i++)
		size += values[i].value.text.size;
	for (i = 0; i < request->attribute_count; i++)
		size += request->attributes[i].value.string.size;
	submission = malloc(size);
	if (submission == NULL)
		return NULL;
	memset(submission, 0, offsetof(struct submission, group));
	submission->group.count = 0;
	submission->method = request->method;
	submission->request = request->context;
	submission->forwarded_ns = request->now_ns;
	submission->values = (struct submission_value *)(submission + 1);
	submission->value_count = value_count;
	submission->attributes = (struct span_attribute *)(submission->values + value_count);
	submission->attribute_count = request->attribute_count;
	at = (char *)(submission->attributes + request->attribute_count);
	submission->tracestate = text_pack(&at, request->tracestate);
	for (i = 0; i < value_count; i++) {
		submission->values[i] = values[i];
		submission->values[i].value.text = text_pack(&at, values[i].value.text);
	}
	for (i = 0; i < request->attribute_count; i++) {
		submission->attributes[i] = request->attributes[i];
		submission->attributes[i].value.string =
			text_pack(&at, request->attributes[i].value.string);
	}
	return submission;
}
