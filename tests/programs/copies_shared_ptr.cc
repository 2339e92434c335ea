// Copies a shared pointer over and over: usage: copies_shared_ptr TIMES. One thread, so the counting needs no lock.
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>

#include <cstdlib>
#include <memory>

int main(int argc, char **argv)
{
    auto one = std::make_shared<int>(1);
    long sum = 0;

    for (long i = argc > 1 ? std::atol(argv[1]) : 0; i > 0; i--) {
        std::shared_ptr<int> other = one;
        asm volatile("" : : "r"(&other) : "memory"); // really copied
        sum += *other;
    }
    return sum < 0;
}
