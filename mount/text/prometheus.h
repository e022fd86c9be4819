/* The text format of Prometheus, on standard output. */
#ifndef MOUNT_TEXT_PROMETHEUS_H
#define MOUNT_TEXT_PROMETHEUS_H

/** Begin a metric: its help, and its type.
 *  @param name  without keytree_
 *  @param type  gauge or counter */
void prometheus_begin(const char *name, const char *type, const char *help);

/** A label, with what Prometheus wants escaped. */
struct prometheus_label {
	const char *name, *value;
};

/** Name a sample of it; the number is to follow.
 *  @param labels  up to one without a name */
void prometheus_sample(const char *name, const struct prometheus_label *labels);

#endif
