/* Writes numbered lines into the file argv[1] and tells each on standard output as soon as it counts as kept:
 * with argv[2] = "sync" after an fdatasync, else at once. The folder argv[3] is synced when the file is there.
 * It proves that the power cut tells the two apart: the careless one must lose what it told.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    int is_careful = strcmp(argv[2], "sync") == 0;
    int fd = open(argv[1], O_CREAT | O_WRONLY | O_APPEND, 0600);
    int folder = open(argv[3], O_RDONLY | O_DIRECTORY);
    if (fd < 0 || folder < 0 || fsync(folder) != 0) return 1;
    for (int number = 1;; number++) {
        char line[32];
        int length = snprintf(line, sizeof line, "%d\n", number);
        if (write(fd, line, (size_t)length) != length) return 1;
        if (is_careful && fdatasync(fd) != 0) return 1;
        if (write(1, line, (size_t)length) != length) return 1;
        usleep(1000);
    }
}
