/* Lets one sync fail: FAILING_SYNC="<thread> <n>" gives EIO to the n-th fdatasync of the thread of that name.
 * Syncs before and after it are real: who asks again after the failure is told that all is well, as Linux does.
 *
 *   cc -O1 -shared -fPIC -o failing_sync.so failing_sync.c -ldl -lpthread
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int fdatasync(int fd) {
    static int (*real)(int);
    static int count;
    char wanted[32] = "", thread[32] = "";
    int number = 0;
    const char *plan = getenv("FAILING_SYNC");
    if (real == NULL) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    if (plan != NULL && sscanf(plan, "%31s %d", wanted, &number) == 2
        && pthread_getname_np(pthread_self(), thread, sizeof thread) == 0 && strcmp(wanted, thread) == 0
        && __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST) == number) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}
