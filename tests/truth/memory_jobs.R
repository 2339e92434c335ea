# SPDX-License-Identifier: Apache-2.0
# memory_jobs.R BEAT MIB COUNT: workers by fork that copy a vector and sort a part of it. BEAT: ms, as in memory_jobs.c.
library(parallel)
words <- commandArgs(trailingOnly = TRUE)
beat <- as.numeric(words[1]) / 1000
numbers <- rnorm(as.numeric(words[2]) * 2^17)
count <- as.numeric(words[3])
Sys.sleep(beat)
sums <- mclapply(seq_len(count), function(i) {
    shifted <- numbers + i
    Sys.sleep(1.5 * beat)
    sorted <- sort(shifted[seq_len(length(shifted) / 10)])
    Sys.sleep(1.5 * beat)
    sum(sorted)
}, mc.cores = count)
stopifnot(all(is.finite(unlist(sums))))
Sys.sleep(1.5 * beat)
