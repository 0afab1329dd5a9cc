/* Load for the tests of entry code: breakpoints, single steps, page faults, forks and system calls, over and over. */

#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void ignore(int signal)
{
	(void)signal;
}

int main(void)
{
	signal(SIGTRAP, ignore);
	for (;;) {
		__asm__ volatile("int3");
		/* The trap flag, for one instruction. */
		__asm__ volatile("sub $128, %%rsp; pushf; orl $0x100, (%%rsp); popf; nop; pushf; andl $~0x100, (%%rsp); popf;"
				 "add $128, %%rsp" ::: "memory", "cc");
		char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		*page = 1;
		munmap(page, 4096);
		if (fork() == 0)
			_exit(0);
		wait(0);
		usleep(100);
	}
}
