/* Processes faster than an interpreter makes them.
 *
 * swift hop N    N processes that live in a new one every moment, each time in a session of its own
 * swift flood N [MICROSECONDS]
 *                a process that multiplies up to N, whoever is killed making room, each trying so often; as another
 *                user, so for root alone
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

int main(int count, char **words) {
    if (count < 3) return 2;
    int number = atoi(words[2]), pause = count > 3 ? atoi(words[3]) : 100;
    time_t until = time(NULL) + 10; /* of what survives a bench that was killed itself */
    signal(SIGTERM, SIG_IGN);
    if (strcmp(words[1], "flood") == 0) {
        struct rlimit most = {number, number};
        uid_t user = 65000 - getpid() % 30000; /* whose processes nobody else's count for */
        signal(SIGCHLD, SIG_IGN);
        if (setrlimit(RLIMIT_NPROC, &most) || setresuid(user, user, user)) return 1;
        while (time(NULL) < until) {
            setsid();
            fork();
            usleep(pause);
        }
        return 0;
    }
    for (int i = 0; i < number; i++)
        if (fork() == 0)
            while (time(NULL) < until) {
                setsid();
                if (fork() > 0) _exit(0);
            }
    return 0;
}
