// SPDX-License-Identifier: Apache-2.0
// memory_jobs.js BEAT MIB COUNT: COUNT worker threads (0: this one alone) that fill MIB MiB and drop them, for four beats.
const { Worker, isMainThread } = require('worker_threads');
const [beat, mib, count] = process.argv.slice(2).map(Number);

function fillAndDrop() {
  let kept = [];
  setInterval(() => {
    kept.push(Buffer.alloc(4 << 20, 1));
    if (kept.length * 4 > mib) kept = [];
  }, beat * 5 / mib);
}

if (isMainThread) setTimeout(() => process.exit(0), 4 * beat);
if (isMainThread && count > 0) for (let i = 0; i < count; i++) new Worker(__filename, { argv: process.argv.slice(2) });
else fillAndDrop();
