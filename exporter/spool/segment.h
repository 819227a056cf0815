#ifndef EXPORTER_SPOOL_SEGMENT_H
#define EXPORTER_SPOOL_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

/*
 * A segment is a file with one batch, written once and never changed: a head of SEGMENT_HEAD_SIZE
 * bytes, then the batch. Numbers are little-endian:
 *
 *	0	"SPANSEG1"
 *	8	4	encoding of the batch
 *	12	4	spans in it
 *	16	8	when it was sealed, Unix time in milliseconds
 *	24	8	its length
 *	32	4	its CRC32C
 *	36	4	CRC32C of the 36 bytes before
 *
 * No file, no clock, no memory of its own in here.
 */
#define SEGMENT_HEAD_SIZE 40

struct segment_head {
	uint32_t encoding; /* not 0 */
	uint32_t span_count;
	uint64_t time_unix_ms;
	uint64_t size; /* of the batch */
	uint32_t crc;  /* of the batch: segment_crc() */
};

enum segment_outcome {
	SEGMENT_WHOLE,
	SEGMENT_SHORT,   /* it ends before its end */
	SEGMENT_LONG,    /* it goes on behind its end */
	SEGMENT_FOREIGN, /* it does not begin like a segment of this version */
	SEGMENT_CORRUPT, /* a checksum does not hold, or it says what no segment says */
};

/* CRC32C (Castagnoli), as iSCSI has it: RFC 3720, appendix B.4. */
uint32_t segment_crc(const void *bytes, size_t size);

void segment_write_head(uint8_t bytes[SEGMENT_HEAD_SIZE], const struct segment_head *head);

/* bytes: what there is of the head, of a file of file_size bytes. head is set when WHOLE. */
enum segment_outcome segment_read_head(
	struct segment_head *head, const uint8_t *bytes, size_t size, uint64_t file_size);

/* The batch, of head->size bytes, is the one that was written: WHOLE or CORRUPT. */
enum segment_outcome segment_check(const struct segment_head *head, const void *batch);

/* Why a file is none, for people. Not for WHOLE. */
const char *segment_why(enum segment_outcome outcome);

/*
 * Names: sidespan-SLOT-NUMBER.segment, 16 digits of the number in hexadecimal, so that the order of
 * the names of a slot is that in which they were written. A slot is what one process owns:
 * sidespan-SLOT.lock is locked for as long.
 */
enum segment_kind {
	SEGMENT_FILE,
	SEGMENT_PART, /* .part: being written */
	SEGMENT_BAD,  /* .bad: set aside */
	SEGMENT_LOCK,
	SEGMENT_NO_FILE_OF_OURS,
};

#define SEGMENT_NAME_SIZE 48
#define SEGMENT_SLOTS     256

/* slot < SEGMENT_SLOTS. The number of a lock does not matter. */
void segment_name(
	char name[SEGMENT_NAME_SIZE], enum segment_kind kind, unsigned slot, uint64_t number);

/* Takes exactly the names that segment_name() makes. */
enum segment_kind segment_name_parse(const char *name, unsigned *slot, uint64_t *number);

#endif
