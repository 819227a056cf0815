/* Beginning a decoder or an encoder: everything that the sides keep starts at zero. */
#include "proxy/side/side.h"

void side_decoder_init(
	struct side_decoder *decoder, const struct side_ops *ops, enum side_role role)
{
	*decoder = (struct side_decoder){.ops = ops, .role = role};
}

void side_encoder_init(struct side_encoder *encoder, const struct side_ops *ops,
	enum side_role role, struct ids *ids, bool foreign)
{
	*encoder = (struct side_encoder){.ops = ops, .role = role, .ids = ids, .foreign = foreign};
}
