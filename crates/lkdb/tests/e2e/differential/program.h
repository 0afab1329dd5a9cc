/* What the producers' test compiles, twice: the ways in which kernel code declares things. */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
struct list_head {
	struct list_head *next, *prev;
};
enum state { IDLE, RUNNING = 5, BROKEN = -3 };
struct operations {
	int (*open)(struct operations *, const char *name, ...);
	void (*close)(struct operations *);
	int (*const *table)[4];
};
struct device {
	const char *name;
	unsigned int up : 1, ready : 3;
	enum state state;
	union {
		struct {
			short low, high;
		};
		u64 raw;
		struct list_head node;
	};
	struct {
		u8 major, minor;
	} version;
	const struct operations *ops;
	u32 ports[4];
	char tail[];
};
int other(struct device *device, int count);
static inline int checked(int value, int limit)
{
	int left = limit - value;

	if (left < 0)
		return limit;
	return value * 2 + left;
}
