/* A disk that stands still while a test says so: preloaded into the hub, it holds fdatasync and fsync for as
   long as the file is there that SKERRY_TEST_HOLD names. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void wait_while_held(void) {
    const char *file = getenv("SKERRY_TEST_HOLD");
    const struct timespec moment = {0, 5000000};
    while (file && access(file, F_OK) == 0) {
        nanosleep(&moment, NULL);
    }
}

int fdatasync(int fd) {
    wait_while_held();
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd) {
    wait_while_held();
    return (int)syscall(SYS_fsync, fd);
}
