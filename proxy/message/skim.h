#ifndef PROXY_MESSAGE_SKIM_H
#define PROXY_MESSAGE_SKIM_H

/*
 * The scanner under splice; see splice.h for how it is used. Its shape is the module's own
 * business: a resumable, validating pass over JSON text that stops at the places where splice must
 * act and copies out the wanted values.
 */

#endif
