/* Statics of every age with destructors that print, one of them local to a function, one per thread. */
// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <thread>

struct speaker {
    const char *name;
    explicit speaker(const char *n) : name(n) { std::cout << "made " << name << "\n"; }
    ~speaker() { std::cout << "gone " << name << "\n"; }
};

static speaker              first("global");
static thread_local speaker own("of a thread");

static speaker &lazy()
{
    static speaker s("local static");
    return s;
}

int main()
{
    std::atexit([] { std::cout << "atexit\n"; });
    std::cout << lazy().name << "\n" << own.name << "\n";
    std::thread([] { std::cout << "in a thread: " << own.name << "\n"; }).join();
    try {
        throw std::runtime_error("caught");
    } catch (const std::exception &error) {
        std::cout << error.what() << "\n";
    }
    return 20;
}
