/* Detached workers read a global vector every 20 ms (or as many as are given) while main returns, after 50 ms, and its
 * destructor runs: without anything that lengthens the exit it goes well, as nobody looks in that moment. With a second
 * argument main ends by errx. */
// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <err.h>
#include <string>
#include <thread>
#include <vector>

static std::vector<std::string> words(1000, "a word too long for the small string inside the object itself");
static volatile std::size_t     total;
static int                      period = 20;

static void work()
{
    for (;;) {
        std::size_t sum = 0;
        for (const auto &word : words)
            sum += word.size() + static_cast<unsigned char>(word[word.size() / 2]);
        if (words.size() != 1000 || sum == 0)
            __builtin_trap();
        total = sum;
        std::this_thread::sleep_for(std::chrono::milliseconds(period));
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        period = std::atoi(argv[1]);
    for (int i = 0; i < 2; i++)
        std::thread(work).detach();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    std::printf("main returns\n");
    if (argc > 2)
        errx(0, "by libc's own call of exit");
    return 0;
}
