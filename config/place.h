#ifndef CONFIG_PLACE_H
#define CONFIG_PLACE_H

/*
 * Places of carriers in messages, as far as settings go; proxy/message/place.h says what they are.
 * A name has neither slash nor what would be written escaped in a pointer or in JSON.
 */
#define PLACE_FORMS "/NAME, /NAME/*, /params/NAME, /params/NAME/*"

#define PLACE_HEADER "header" /* is one, too: the fields of the HTTP request */

/* NULL, or why text is none (static). */
const char *place_check(const char *text);

#endif
