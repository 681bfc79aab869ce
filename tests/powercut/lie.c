/* A disk that lies: every sync is told to be done, and nothing is. Preloaded before powercut.so, it proves that
 * the power cut finds out a store that does not sync.
 *
 *   cc -O1 -shared -fPIC -o lie.so lie.c
 */
int fsync(int fd) {
    (void)fd;
    return 0;
}

int fdatasync(int fd) {
    (void)fd;
    return 0;
}
