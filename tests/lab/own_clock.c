/* A clock of its own for the programs of a lab: LD_PRELOAD makes CLOCK_REALTIME differ from the machine's by what a shared
 * file says, and corrections (clock_adjtime) change that file and never the machine. The file is OWN_CLOCK_FILE, compiled
 * in, with one 64-bit number of nanoseconds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset(void) {
  static volatile int64_t *shared;
  if (!shared) {
    int fd = open(OWN_CLOCK_FILE, O_RDWR);
    void *place = fd < 0 ? MAP_FAILED : mmap(0, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    static int64_t none;
    shared = place == MAP_FAILED ? &none : place;
    if (fd >= 0) close(fd);
  }
  return shared;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  if (syscall(SYS_clock_gettime, clock, time)) return -1;
  if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) return 0;
  int64_t now = (int64_t)time->tv_sec * 1000000000 + time->tv_nsec + *offset();
  time->tv_sec = now / 1000000000;
  time->tv_nsec = now % 1000000000;
  return 0;
}

int gettimeofday(struct timeval *time, void *zone) {
  struct timespec now;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *into) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (into) *into = now.tv_sec;
  return now.tv_sec;
}

int clock_adjtime(clockid_t clock, struct timex *change) {
  if (clock != CLOCK_REALTIME) {
    errno = EINVAL;
    return -1;
  }
  int64_t micros = 0;
  if (change->modes == ADJ_SETOFFSET) micros = (int64_t)change->time.tv_sec * 1000000 + change->time.tv_usec;
  else if (change->modes == ADJ_OFFSET_SINGLESHOT) micros = change->offset; /* slewed at once: tests have no hours */
  __sync_fetch_and_add(offset(), micros * 1000);
  return TIME_ERROR;
}

int adjtimex(struct timex *change) { return clock_adjtime(CLOCK_REALTIME, change); }
