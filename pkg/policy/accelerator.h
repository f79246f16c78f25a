/* Which classes of accelerators a cluster has, from its list of nodes. Pure. */
#pragma once
#include "base/error.h"
#include <jansson.h>

/* [{"resource", "label", "value"}], sorted: one for each device resource and product that a node
 * offers; label and value are "" where no label tells the product. New reference. */
json_t *accelerator_classes(const json_t *nodes);
/* "nvidia.com/gpu on nvidia.com/gpu.product=A100". Caller frees. */
char *accelerator_text(const json_t *class);
/* The Job asks for one device of the class, on a node of it. Changes job. */
void accelerator_ask(json_t *job, const json_t *class);
