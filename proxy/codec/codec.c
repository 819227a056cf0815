/* Beginning a decoder or an encoder: everything that the codecs keep starts at zero. */
#include "proxy/codec/codec.h"

#include "proxy/codec/utf8.h"

void codec_decoder_init(
	struct codec_decoder *decoder, const struct codec_ops *ops, enum codec_role role)
{
	*decoder = (struct codec_decoder){.ops = ops, .role = role, .utf8_state = UTF8_COMPLETE};
}

void codec_encoder_init(struct codec_encoder *encoder, const struct codec_ops *ops,
	enum codec_role role, struct ids *ids, bool foreign)
{
	*encoder = (struct codec_encoder){.ops = ops, .role = role, .ids = ids, .foreign = foreign};
}
