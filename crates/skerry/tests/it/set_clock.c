/* Clocks that a test sets: preloaded into the edge, it adds the two numbers of seconds that stand in the file which
   SKERRY_TEST_CLOCKS names, the first to the clock on the wall, the second to the one that nobody sets. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead;

__attribute__((constructor)) static void find(void) {
    const char *file = getenv("SKERRY_TEST_CLOCKS");
    int opened = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    if (opened >= 0) {
        void *seen = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, opened, 0);
        ahead = seen == MAP_FAILED ? NULL : seen;
        close(opened);
    }
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (failed == 0 && ahead) {
        if (clock == CLOCK_REALTIME) {
            now->tv_sec += ahead[0];
        } else if (clock == CLOCK_MONOTONIC) {
            now->tv_sec += ahead[1];
        }
    }
    return failed;
}
