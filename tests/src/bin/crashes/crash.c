/* Ways to crash, each in a function of its own name. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void crash_writes_null(volatile int *where) {
    *where = 7; /* null */
}

void crash_calls_writer(void) {
    crash_writes_null(NULL);
}

void crash_aborts(void) {
    abort();
}

int crash_fills_stack(int depth) {
    volatile char room[64];
    room[depth % 64] = 1;
    return depth < 0 ? 0 : crash_fills_stack(depth + 1) + room[0];
}

void crash_traps(void) {
    __builtin_trap();
}

void crash_calls_nothing(void) {
    void (*volatile nothing)(void) = NULL;
    nothing();
}

/* Takes away the memory in which the handler records: it crashes, too. */
void crash_twice(void) {
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        if (strstr(line, "procpool-page") && sscanf(line, "%lx-%lx", &start, &end) == 2)
            munmap((void *)start, end - start);
    }
    crash_writes_null(NULL);
}

static void *on_a_thread(void *unused) {
    pthread_setname_np(pthread_self(), "foreign");
    crash_writes_null(unused);
    return NULL;
}

void crash_on_a_thread(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, on_a_thread, NULL);
    pthread_join(thread, NULL);
}

/* Crashes in a child of this process, which has the handler, too; then aborts. */
void crash_after_a_child(void) {
    pid_t child = fork();
    if (child == 0)
        crash_writes_null(NULL);
    waitpid(child, NULL, 0);
    crash_aborts();
}

static void own_handler(int signal) {
    static const char words[] = "the program's own handler\n";
    if (write(2, words, sizeof words - 1) < 0)
        _exit(1);
    _exit(40 + signal % 2);
}

void crash_own_handler(void) {
    signal(SIGSEGV, own_handler);
}

void spin_forever(void) {
    for (;;) { /* spins */
    }
}

/* Is in the middle of the stack of what spins. */
void crash_never(void) {
    spin_forever();
}

/* Waits for a child that never begins another program. A debugger does not stop what waits so. */
void crash_is_stuck(void) {
    if (syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0) == 0)
        for (;;)
            pause();
}
