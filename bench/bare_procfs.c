/* What ops of the bare C program read from /proc. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bare_state.h"

/* In the order of the executor's. */
const char* const limit_files[] = {"/proc/sys/kernel/shmmax", "/proc/sys/kernel/shmall",
                                   "/proc/sys/kernel/shmmni", "/proc/sys/kernel/shm_rmid_forced",
                                   "/proc/sys/kernel/shm_next_id"};

long read_limit(uint64_t which, uint64_t* value) {
  char text[32] = "";
  const int fd = open(limit_files[which], O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const ssize_t n = read(fd, text, sizeof text - 1);
  *value = strtoull(text, NULL, 10);
  return close(fd) != 0 || n <= 0 ? -1 : 0;
}

long write_limit(uint64_t which, uint64_t value) {
  char text[32];
  const int length = snprintf(text, sizeof text, "%llu", (unsigned long long)value);
  const int fd = open(limit_files[which], O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const ssize_t n = write(fd, text, (size_t)length);
  const int error = errno;
  close(fd);
  errno = error;
  return n < 0 ? -1 : 0;
}

/* Reads all of a file, of whatever length. */
long do_read(const char* name) {
  const int fd = open(name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  while (read(fd, buffer, kPage) > 0) continue;
  return close(fd);
}

/* How many mappings /proc/self/maps has, without the kernel's own page, which comes last. */
uint64_t rows(void) {
  static const char kernels[] = "[vsyscall]\n";
  uint64_t n = 0, last = 0;
  const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  for (ssize_t got; fd >= 0 && (got = read(fd, buffer, kPage)) > 0; last = (uint64_t)got)
    for (ssize_t i = 0; i < got; i++) n += buffer[i] == '\n';
  close(fd);
  const size_t size = sizeof kernels - 1;
  return n - (last >= size && memcmp(buffer + last - size, kernels, size) == 0);
}

long do_list(const char* path) {
  DIR* directory = opendir(path);
  if (directory == NULL) return -1;
  while (readdir(directory) != NULL) {
  }
  return closedir(directory);
}
