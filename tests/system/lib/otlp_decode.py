"""
Bodies in OTLP's protobuf form as OTLP JSON, by Google's library: a program of its own, as that may
be there for one Python only. Reads bodies, each after its length in a line; writes a line for each.
"""

import json
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# opentelemetry-proto 1.x, what we write of it: message: number type name; ? of a oneof, * repeated
PROTO = """
AnyValue: 1 string string_value?, 2 bool bool_value?, 3 int64 int_value?, 4 double double_value?
KeyValue: 1 string key, 2 AnyValue value
Resource: 1 KeyValue attributes*
Scope: 1 string name, 2 string version
Event: 1 fixed64 time_unix_nano, 2 string name, 3 KeyValue attributes*
Link: 1 bytes trace_id, 2 bytes span_id
Status: 2 string message, 3 int32 code
Span: 1 bytes trace_id, 2 bytes span_id, 3 string trace_state, 4 bytes parent_span_id, 5 string name,\
 6 int32 kind, 7 fixed64 start_time_unix_nano, 8 fixed64 end_time_unix_nano, 9 KeyValue attributes*,\
 10 uint32 dropped_attributes_count, 11 Event events*, 12 uint32 dropped_events_count,\
 13 Link links*, 14 uint32 dropped_links_count, 15 Status status, 16 fixed32 flags
ScopeSpans: 1 Scope scope, 2 Span spans*, 3 string schema_url
ResourceSpans: 1 Resource resource, 2 ScopeSpans scope_spans*, 3 string schema_url
Request: 1 ResourceSpans resource_spans*
"""


def request_class():
    """The class of a request, from the table above."""
    kind = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="otlp.proto", package="otlp", syntax="proto3")
    for row in PROTO.strip().splitlines():
        name, fields = row.split(": ")
        message = file.message_type.add(name=name)
        for field in fields.split(", "):
            number, of, called = field.split()
            made = message.field.add(name=called.rstrip("?*"), number=int(number),
                                     label=kind.LABEL_REPEATED if called.endswith("*")
                                     else kind.LABEL_OPTIONAL)
            if of[0].isupper():
                made.type, made.type_name = kind.TYPE_MESSAGE, f".otlp.{of}"
            else:
                made.type = getattr(kind, f"TYPE_{of.upper()}")
            if called.endswith("?"):
                made.oneof_index = 0
        if any(field.endswith("?") for field in fields.split(", ")):
            message.oneof_decl.add(name="value")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName("otlp.Request")
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(found)
    return message_factory.MessageFactory(pool).GetPrototype(found)


def plain(message):
    """As OTLP JSON has it: ids in hexadecimal."""
    made = {}
    for field, value in message.ListFields():
        name = field.json_name
        if field.type == field.TYPE_BYTES:
            made[name] = value.hex()
        elif field.message_type and field.label == field.LABEL_REPEATED:
            made[name] = [plain(part) for part in value]
        elif field.message_type:
            made[name] = plain(value)
        elif field.type in (field.TYPE_INT64, field.TYPE_FIXED64):
            made[name] = str(value)
        else:
            made[name] = value
    return made


def main():
    make = request_class()
    while line := sys.stdin.buffer.readline():
        message = make.FromString(sys.stdin.buffer.read(int(line)))
        size = message.ByteSize()
        message.DiscardUnknownFields()
        assert message.ByteSize() == size, "there are fields that are none of the table"
        print(json.dumps(plain(message)), flush=True)


if __name__ == "__main__":
    main()
