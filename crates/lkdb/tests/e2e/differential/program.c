/* The first of the two units: a call chain, inlined calls, blocks, statics. */
#include "program.h"

static struct list_head devices = { &devices, &devices };
static const struct operations ops;
struct device first = { .name = "first", .state = RUNNING, .version = { 1, 2 }, .ops = &ops, .ports = { 1, 2, 3 } };
enum state broken = BROKEN;
u64 counters[3] = { 1, ~0ull, 0x100000000ull };
const char *message = "hello \"world\"\n";
int matrix[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };
static int calls;

static __attribute__((noinline)) int helper(int count, const char *text)
{
	static int inner_calls;
	int result = checked(count, calls);

	inner_calls++;
	{
		int twice = result * 2;

		if (twice > 10)
			result += twice;
	}
	return result + (text ? *text : inner_calls);
}

int walk(struct device *device, int depth)
{
	int sum = 0;

	for (int at = 0; at < 4; at++) {
		int port = device->ports[at];

		if (port > depth)
			goto out;
		sum += checked(port, depth);
	}
out:
	return sum + depth;
}

int main(int argc, char **argv)
{
	int sum = helper(argc, argv[0]);

	calls += other(&first, sum);
	return walk(&first, sum) + calls + (devices.next == &devices);
}
