#ifndef PROXY_DOCTOR_DOCTOR_H
#define PROXY_DOCTOR_DOCTOR_H

#include "proxy/doctor/trial.h"

/*
 * Examines all that the settings name: what is as it should be, what is not, and what helps. Prints
 * a verdict for each on standard output, as soon as it is known. notes: those of the settings, a
 * line each. serve: see trial.h. True: nothing has failed.
 */
struct config;

bool doctor_examine(struct config *config, const char *notes, trial_serve *serve, void *arg);

#endif
