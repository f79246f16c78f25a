#include "steps/internal.h"

void drain_withdraw(Item *child, Batch *b)
{
}
