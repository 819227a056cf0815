/* Lines: cut anywhere, empty, with CR, without an end; and the encoder's two ways with them. */
#include <stdio.h>
#include <string.h>

#include "proxy/side/side.h"
#include "tests/unit/record.h"
#include "tests/unit/unit.h"

#define TEST_BYTES(text) text, sizeof(text) - 1

/* Each message in brackets; one that the stream's end completes with a $, by finish(). */
static const struct {
	const char *bytes;
	size_t size;
	const char *expected;
} test_streams[] = {
	{TEST_BYTES(""), ""},
	{TEST_BYTES("\n"), "[]"},
	{TEST_BYTES("\n\n\n"), "[][][]"},
	{TEST_BYTES("{}\n"), "[{}]"},
	{TEST_BYTES("{}"), "[{}$"},
	{TEST_BYTES("{}\n{\"a\":1}\n"), "[{}][{\"a\":1}]"},
	{TEST_BYTES("{}\r\n\r\n"), "[{}\r][\r]"},
	{TEST_BYTES("a\rb\nc"), "[a\rb][c$"},
	{TEST_BYTES("\xff\xfe\n not json \n\n["), "[\xff\xfe][ not json ][][[$"},
};

static void test_describe(char *text, const char *bytes, size_t size, size_t cut, size_t piece)
{
	struct side_decoder decoder;
	struct side_chunk chunk;
	size_t n, total = size;

	side_decoder_init(&decoder, &side_line, SIDE_FROM_CLIENT);
	for (n = cut; size > 0; n = piece) {
		uint8_t *copy, *at;
		size_t left;

		n = left = n < size ? n : size;
		copy = at = unit_guard_copy(bytes, n);
		while (side_line.next(&decoder, &at, &left, &chunk) == SIDE_DATA) {
			ck_assert(chunk.frame_first && chunk.frame.text && !chunk.frame.masked);
			ck_assert_int_eq(chunk.frame.first, chunk.first);
			ck_assert_int_eq(chunk.frame.last, chunk.last);
			ck_assert_uint_eq(chunk.frame.size, chunk.size);
			ck_assert_ptr_eq(chunk.wire, chunk.bytes);
			ck_assert_uint_eq(chunk.wire_size, chunk.size + chunk.last);
			if (chunk.first)
				*text++ = '[';
			memcpy(text, chunk.bytes, chunk.size);
			text += chunk.size;
			if (chunk.last)
				*text++ = ']';
		}
		ck_assert_uint_eq(left, 0);
		unit_guard_free(copy, n);
		bytes += n;
		size -= n;
	}
	ck_assert_uint_eq(decoder.offset, total);
	if (side_line.finish(&decoder))
		*text++ = '$';
	*text = '\0';
}

START_TEST(test_decode)
{
	char text[256];
	size_t cut, size = test_streams[_i].size;

	for (cut = 0; cut <= size; cut++) {
		test_describe(text, test_streams[_i].bytes, size, cut, size);
		ck_assert_str_eq(text, test_streams[_i].expected);
	}
	test_describe(text, test_streams[_i].bytes, size, 1, 1);
	ck_assert_str_eq(text, test_streams[_i].expected);
}
END_TEST

/* A line that is all there is one chunk, where it lies. */
START_TEST(test_one_chunk)
{
	uint8_t stream[] = "{\"id\":1}\n{\"id\":2}\n";
	uint8_t *bytes = stream;
	size_t size = sizeof stream - 1;
	struct side_decoder decoder;
	struct side_chunk chunk;

	side_decoder_init(&decoder, &side_line, SIDE_FROM_SERVER);
	ck_assert_int_eq(side_line.next(&decoder, &bytes, &size, &chunk), SIDE_DATA);
	ck_assert(chunk.first && chunk.last);
	ck_assert_ptr_eq(chunk.bytes, stream);
	ck_assert_uint_eq(chunk.size, 8);
	ck_assert_ptr_eq(bytes, stream + 9);
	ck_assert_uint_eq(size, 9);
	ck_assert_uint_eq(decoder.offset, 9);
}
END_TEST

static void test_flush(struct sink *sink, void *arg)
{
	ck_assert(sink->used == 0 || sink->run_size == 0);
	record_add(arg, sink->bytes, sink->used);
	record_add(arg, sink->run, sink->run_size);
	sink->used = 0;
	sink->run_size = 0;
}

static void test_encode(struct record *output, bool foreign, bool terminated, size_t size)
{
	static const char lines[] = "{\"a\":\r\n1,\n\"b\":2}\r\n";
	uint8_t window[SINK_SIZE_MIN];
	struct sink sink = {
		.bytes = window, .size = sizeof window, .flush = test_flush, .arg = output};
	struct side_frame frame = {.text = true, .first = true, .last = true, .size = size};
	struct side_encoder encoder;
	size_t done, piece;

	record_init(output, false);
	side_encoder_init(&encoder, &side_line, SIDE_FROM_SERVER, NULL, foreign);
	side_line.begin(&encoder, &sink, &frame);
	for (done = 0; done < size; done += piece) {
		piece = size - done < sizeof lines - 1 ? size - done : sizeof lines - 1;
		side_line.data(&encoder, &sink, (const uint8_t *)lines, piece);
	}
	side_line.end(&encoder, &sink, terminated);
	test_flush(&sink, output);
}

static const struct {
	bool foreign, terminated;
	size_t size;
	const char *expected;
} test_encodings[] = {
	{false, true, 18, "{\"a\":\r\n1,\n\"b\":2}\r\n\n"},
	{true, true, 18, "{\"a\":  1, \"b\":2}  \n"},
	{false, false, 18, "{\"a\":\r\n1,\n\"b\":2}\r\n"},
	{true, false, 18, "{\"a\":  1, \"b\":2}  "},
	{false, true, 0, "\n"},
	{true, true, 0, "\n"},
	{true, false, 0, ""},
};

START_TEST(test_encode_table)
{
	struct record output;

	test_encode(&output, test_encodings[_i].foreign, test_encodings[_i].terminated,
		test_encodings[_i].size);
	ck_assert_uint_eq(output.size, strlen(test_encodings[_i].expected));
	if (output.size > 0)
		ck_assert_mem_eq(output.bytes, test_encodings[_i].expected, output.size);
	record_done(&output);
}
END_TEST

/* Through a window much smaller than the message, in one piece and in many. */
START_TEST(test_encode_large)
{
	struct record one, many;
	size_t size = 200 * 1024, i;
	uint8_t *bytes;
	uint8_t window[SINK_SIZE_MIN];
	struct sink sink = {
		.bytes = window, .size = sizeof window, .flush = test_flush, .arg = &one};
	struct side_encoder encoder;

	test_encode(&many, _i, true, size);
	ck_assert_uint_eq(many.size, size + 1);
	ck_assert_uint_eq(many.bytes[size], '\n');
	for (i = 0; i < size; i++)
		ck_assert(!_i || (many.bytes[i] != '\n' && many.bytes[i] != '\r'));
	bytes = malloc(size);
	ck_assert_ptr_nonnull(bytes);
	memcpy(bytes, many.bytes, size);
	record_init(&one, false);
	side_encoder_init(&encoder, &side_line, SIDE_FROM_SERVER, NULL, _i);
	side_line.data(&encoder, &sink, bytes, size);
	side_line.end(&encoder, &sink, true);
	test_flush(&sink, &one);
	ck_assert(record_equal(&one, &many));
	free(bytes);
	record_done(&one);
	record_done(&many);
}
END_TEST

/*
 * Bytes that are passed and bytes that are written come out in order, whatever their mixture: each
 * row says which of the pieces are passed.
 */
START_TEST(test_runs)
{
	static const size_t sizes[] = {3, 1, 70, SINK_SIZE_MIN, 5, SINK_SIZE_MIN + 1, 2, 9};
	static uint8_t input[3 * SINK_SIZE_MIN];
	uint8_t window[SINK_SIZE_MIN];
	struct record output;
	struct sink sink = {
		.bytes = window, .size = sizeof window, .flush = test_flush, .arg = &output};
	size_t i, at = 0;

	for (i = 0; i < sizeof input; i++)
		input[i] = (uint8_t)(i * 7 + i / 256);
	record_init(&output, false);
	for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		if ((_i >> i & 1) != 0)
			sink_pass(&sink, input + at, sizes[i]);
		else
			sink_write(&sink, input + at, sizes[i]);
		at += sizes[i];
	}
	if (_i == 0xff) { /* nothing else: one run, where it lies */
		ck_assert_ptr_eq(sink.run, input);
		ck_assert_uint_eq(sink.run_size, at);
	}
	test_flush(&sink, &output);
	ck_assert_uint_eq(output.size, at);
	ck_assert_mem_eq(output.bytes, input, at);
	record_done(&output);
}
END_TEST

/* A gap in the input ends a run. */
START_TEST(test_runs_apart)
{
	static const uint8_t input[] = "abcdefgh";
	uint8_t window[SINK_SIZE_MIN];
	struct record output;
	struct sink sink = {
		.bytes = window, .size = sizeof window, .flush = test_flush, .arg = &output};

	record_init(&output, false);
	sink_pass(&sink, input, 2);
	sink_pass(&sink, input + 3, 2);
	sink_pass(&sink, input + 5, 1);
	test_flush(&sink, &output);
	ck_assert_uint_eq(output.size, 5);
	ck_assert_mem_eq(output.bytes, "abdef", 5);
	record_done(&output);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("line");

	tcase_add_loop_test(tc, test_decode, 0, sizeof test_streams / sizeof *test_streams);
	tcase_add_test(tc, test_one_chunk);
	tcase_add_loop_test(
		tc, test_encode_table, 0, sizeof test_encodings / sizeof *test_encodings);
	tcase_add_loop_test(tc, test_encode_large, 0, 2);
	tcase_add_loop_test(tc, test_runs, 0, 256);
	tcase_add_test(tc, test_runs_apart);
	return unit_run("line", tc);
}
