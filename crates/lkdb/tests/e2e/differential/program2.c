/* The second unit: the same static name, a switch, another user of the header. */
#include "program.h"

static long calls = 22;
static const u8 table[] = { 1, 2, 3 };

int other(struct device *device, int count)
{
	switch (device->state) {
	case IDLE:
		return checked(count, 7);
	case RUNNING:
		return table[count % 3] + device->version.major;
	default:
		return (int)calls;
	}
}
