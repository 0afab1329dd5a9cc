/* Load for the stepping tests: four processes that make the same system calls over and over, two of them bound
 * to a CPU each and two on any, each with an interval timer of 1 kHz. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long ticks;

static void tick(int signal)
{
	(void)signal;
	ticks++;
}

static void work(void)
{
	struct timespec moment = { 0, 100000 };
	struct utsname names;
	struct rusage usage;
	struct stat status;
	char text[256];

	for (;;) {
		uname(&names);
		getcwd(text, sizeof(text));
		access("/bin/load", F_OK);
		int fd = open("/bin/load", O_RDONLY);
		read(fd, text, 64);
		fstat(fd, &status);
		close(fd);
		getrusage(RUSAGE_SELF, &usage);
		sched_yield();
		nanosleep(&moment, NULL);
	}
}

int main(void)
{
	struct itimerval timer = { { 0, 1000 }, { 0, 1000 } };

	for (int i = 0; i < 4; i++) {
		if (fork())
			continue;
		cpu_set_t cpus;
		CPU_ZERO(&cpus);
		CPU_SET(i, &cpus);
		if (i < 2)
			sched_setaffinity(0, sizeof(cpus), &cpus);
		signal(SIGALRM, tick);
		setitimer(ITIMER_REAL, &timer, NULL);
		work();
	}
	for (;;)
		pause();
}
