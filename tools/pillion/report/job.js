// SPDX-License-Identifier: Apache-2.0
/* The page of a job: its nodes over time, line by line, and their sum below on the same axis. */

const MEASURES = [
    {key: "cpu", name: "CPU", of: "of its cores", format: (value) => cores(value) + " cores", limit: (node) => node.cpus},
    {key: "memory", name: "Memory", of: "of its memory", format: (value) => mib(value), limit: (node) => node.memory_mib},
    {key: "gpu", name: "GPU", of: "of its GPUs", format: (value) => cores(value) + " GPUs", limit: (node) => node.gpus},
];

/* From the ground to the warm end; the same as of many runs. */
const heatColor = (part, isDark) => "hsl(" + (215 - 190 * part) + "," + (55 + 25 * part) + "%," + (isDark ? 18 + 42 * part : 93 - 45 * part) + "%)";

const offsetText = (offset) => secondsText(Math.abs(offset)) + (offset > 0 ? " ahead of" : " behind");

/* A line for each node. Its own canvas, as wide as the charts, whose left margin has the names. */
function nodesMap(job) {
    const LEFT = 62, RIGHT = 10, nodes = job.nodes, end = Math.max(job.duration_s, 1e-9);
    const measures = MEASURES.filter((one) => nodes.some((node) => node[one.key]));
    let measure = measures.at(-1)?.key === "gpu" ? measures.at(-1) : measures[0] || MEASURES[0];
    const height = Math.max(3, Math.min(24, Math.floor(720 / nodes.length))), full = height * nodes.length;
    const every = Math.max(1, Math.ceil(12 / height)), canvas = element("canvas", {ariaHidden: "true"}), plot = element("div.heat", {}, canvas);
    const words = element("small", {ariaLive: "polite"}, "Point at a node"), scale = element("span.scale", {ariaHidden: "true"}), legend = element("small");
    const mostOf = () => nodes.reduce((most, node) => (node[measure.key] || []).reduce((a, b) => Math.max(a, b), most), 1e-9);
    const valueAt = (node, time) => {
        const list = node[measure.key];
        if (!list || time < node.began_s || time > node.began_s + node.duration_s) return null;
        return list[Math.min(list.length - 1, Math.floor(time / end * list.length))];
    };
    const inGap = (node, time) => node.gap_s && time > node.gap_at_s && time < node.gap_at_s + node.gap_s;
    const drawNode = (pen, node, y, width, color, isDark, most) => {
        const list = node[measure.key] || [], limit = measure.limit(node) || most, tall = height > 5 ? height - 1 : height;
        const x = (time) => LEFT + time / end * width;
        pen.fillStyle = color("back");
        pen.fillRect(x(node.began_s), y, Math.max(1, x(node.began_s + node.duration_s) - x(node.began_s)), tall);
        for (let i = 0; i < list.length; i++) {
            const from = Math.max(i / list.length * end, node.began_s), to = Math.min((i + 1) / list.length * end, node.began_s + node.duration_s);
            if (list[i] === null || to <= from) continue;
            pen.fillStyle = inGap(node, (from + to) / 2) ? color("gap") : heatColor(Math.min(list[i] / limit, 1), isDark);
            pen.fillRect(x(from), y, x(to) - x(from) + 0.4, tall);
        }
        if (node.tone === "bad") {
            pen.fillStyle = color("bad");
            pen.fillRect(Math.min(x(node.began_s + node.duration_s), LEFT + width - 2) - 2, y, 4, tall);
        }
    };
    const domain = nodes[0].name.replace(/^[^.]*/, ""), shared = domain && nodes.every((node) => node.name.endsWith(domain)) ? domain.length : 0;
    const fitted = (pen, whole) => {
        const name = whole.slice(0, whole.length - shared);
        let text = name;
        for (let cut = 1; pen.measureText(text).width > LEFT - 6 && cut < name.length; cut++) text = "\u2026" + name.slice(cut);
        return text;
    };
    const draw = () => {
        const ratio = Math.min(devicePixelRatio || 1, 3, 32000 / full), box = Math.max(plot.clientWidth, 120), width = box - LEFT - RIGHT, pen = canvas.getContext("2d");
        const style = getComputedStyle(document.documentElement), color = (name) => style.getPropertyValue("--" + name).trim();
        const isDark = document.documentElement.classList.contains("dark"), most = mostOf();
        [canvas.width, canvas.height] = [box * ratio, full * ratio];
        [canvas.style.width, canvas.style.height] = [box + "px", full + "px"];
        pen.scale(ratio, ratio);
        pen.font = "11px system-ui, sans-serif";
        pen.textAlign = "right";
        pen.textBaseline = "middle";
        nodes.forEach((node, i) => {
            drawNode(pen, node, i * height, width, color, isDark, most);
            if (i % every) return;
            pen.fillStyle = color(node.tone === "bad" ? "bad" : node.clock_offset_s ? "warn" : "soft");
            pen.fillText(fitted(pen, node.name), LEFT - 6, Math.max(6, Math.min(full - 6, (i + 0.5) * height)));
        });
        const whose = nodes.some((node) => measure.limit(node)) ? measure.of : "of " + measure.format(most);
        legend.textContent = "0 to 100 % " + whose + "; 0 to " + secondsText(end) + " from left to right" +
            (nodes.some((node) => node.gap_s) ? "; sand: no rows" : "") + (nodes.some((node) => node.tone === "bad") ? "; red: it went wrong there" : "");
        scale.style.background = "linear-gradient(to right," + [0, 0.25, 0.5, 0.75, 1].map((part) => heatColor(part, isDark)).join() + ")";
    };
    const told = (event) => {
        const box = canvas.getBoundingClientRect(), node = nodes[Math.min(nodes.length - 1, Math.max(0, Math.floor((event.clientY - box.top) / height)))];
        const time = Math.min(Math.max(0, (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT)), 1) * end, value = valueAt(node, time), limit = measure.limit(node);
        const figure = inGap(node, time) ? "no rows" : value === null || value === undefined ? (time < node.began_s ? "not begun" : "over") :
            measure.format(value) + (limit ? ", " + percent(value / limit) : "");
        words.textContent = node.name + " at " + clock(time, end < 10 ? 0.1 : 1) + ": " + figure;
    };
    for (const kind of ["pointermove", "pointerdown"]) plot.addEventListener(kind, told);
    const buttons = measures.map((one) => {
        const button = element("button", {type: "button", ariaPressed: String(one === measure)}, one.name);
        button.addEventListener("click", () => {
            measure = one;
            for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
            draw();
        });
        return button;
    });
    new ResizeObserver(draw).observe(plot);
    themed.push(draw);
    window.addEventListener("beforeprint", draw);
    return element("figure.nodes", {}, element("figcaption", {}, element("h3", {}, "Nodes over time"), element("span.measures", {}, ...buttons), words), plot,
        element("div.under", {}, scale, legend));
}

/* Few nodes are stacked upon each other, more are one. */
function sumChart(job, kind, key, asked) {
    const sum = job.sum[key], parts = job.nodes.filter((node) => node[key]);
    if (!sum || !sum.some((value) => value > 0)) return null;
    const t = Float64Array.from(sum, (_, i) => (i + 1) / sum.length * job.duration_s), few = parts.length > 1 && parts.length <= 8;
    const items = [];
    for (const part of few ? parts : [{name: "all nodes", [key]: sum}]) {
        const below = items.at(-1) || null, hi = Float32Array.from(part[key], (value, i) => (value || 0) + (below ? below.hi[i] : 0));
        items.push({name: part.name, role: "stack", color: "c" + items.length % 9, t, lo: hi, hi, below});
    }
    const note = asked ? job.asked_word + " " + (kind.chart === "memory" ? mib(asked) : cores(asked)) : "";
    return {...kind, title: kind.title + ", all nodes", items, limit: asked, note, spoken: note, marks: [], gaps: [], strips: []};
}

function jobTiles(job, runs) {
    const {sum, asked, balance} = job, list = [], words = {};
    for (const run of runs) words[run.word || "running"] = (words[run.word || "running"] || 0) + 1;
    const part = (value, text) => value === undefined ? "" : percent(value) + " " + text;
    list.push(tile("Time", secondsText(job.duration_s), "CPU time " + secondsText(sum.cpu_s) + (asked.cpu_s ? " of " + secondsText(asked.cpu_s) : "")));
    list.push(tile("Nodes", String(job.nodes.length), job.run_count + (job.run_count === 1 ? " run: " : " runs: ") + Object.entries(words).map(([word, count]) => count + " " + word).join(", ")));
    list.push(tile("CPU", cores(sum.cpu_mean || 0) + (asked.cpus ? " of " + cores(asked.cpus) : "") + " cores",
        [part(asked.cpu_part, "used"), sum.cpu_max ? "at most " + cores(sum.cpu_max) : ""].filter(Boolean).join(", "), asked.cpu_part));
    if (sum.memory_max_mib !== undefined) {
        const largest = job.nodes[balance.largest_at];
        list.push(tile("Memory at most, at once", mib(sum.memory_max_mib) + (asked.memory_mib ? " of " + mib(asked.memory_mib) : ""),
            [part(asked.memory_part, "used"), largest ? "largest node " + mib(largest.memory_max_mib) : ""].filter(Boolean).join(", "), asked.memory_part));
    }
    if (sum.gpu_mean !== undefined)
        list.push(tile("GPU", cores(sum.gpu_mean) + (asked.gpus ? " of " + cores(asked.gpus) : ""), [part(asked.gpu_part, "used"), "at most " + cores(sum.gpu_max)].filter(Boolean).join(", "), asked.gpu_part));
    return element("section.tiles", {ariaLabel: "Figures"}, ...list);
}

function balanceOf(job) {
    const {balance} = job, work = (node) => secondsText((balance.work === "GPU" ? node.gpu_s : node.cpu_s) ?? 0) + " of " + balance.work + " time";
    const tiles = [["Slowest", balance.slowest_at, (node) => "took " + secondsText(node.duration_s)], ["Idlest", balance.idlest_at, work],
        ["Busiest", balance.busiest_at, work], ["Largest", balance.largest_at, (node) => mib(node.memory_max_mib) + " of memory"]]
        .filter(([, at]) => at !== undefined).map(([title, at, text]) => tile(title, job.nodes[at].name, text(job.nodes[at])));
    const even = balance.even === undefined ? "" : "The mean node did " + percent(balance.even) + " of what the busiest did.";
    return element("section", {}, element("h2", {}, "Balance"), even ? element("p", {}, even) : null, element("div.tiles", {}, ...tiles));
}

function nodesTable(job) {
    const part = (value) => value === undefined ? "-" : percent(value);
    const columns = [
        {name: "Node", left: true, value: (node) => node.name, text: (node) => node.name},
        {name: "state", left: true, value: (node) => node.word || "", text: (node) => wordOf(node)},
        {name: "why", left: true, wide: true, value: (node) => node.reason || "", text: (node) => node.tone === "bad" ? node.reason || "" : ""},
        {name: "began", value: (node) => node.began_s, text: (node) => clock(node.began_s, job.duration_s < 10 ? 0.1 : 1)},
        {name: "took", value: (node) => node.duration_s, text: (node) => secondsText(node.duration_s)},
        {name: "CPU", value: (node) => node.cpu_part ?? -1, text: (node) => part(node.cpu_part)},
        {name: "cores", value: (node) => node.cpu_mean ?? -1, text: (node) => cores(node.cpu_mean ?? 0)},
        {name: "CPU time", value: (node) => node.cpu_s ?? -1, text: (node) => secondsText(node.cpu_s ?? 0)},
        {name: "memory", value: (node) => node.memory_max_mib ?? -1, text: (node) => node.memory_max_mib === undefined ? "-" : mib(node.memory_max_mib)},
        {name: "of it", value: (node) => node.memory_part ?? -1, text: (node) => part(node.memory_part)},
        {name: "read", value: (node) => node.disk_read_bytes ?? -1, text: (node) => bytesText(node.disk_read_bytes ?? 0)},
        {name: "written", value: (node) => node.disk_write_bytes ?? -1, text: (node) => bytesText(node.disk_write_bytes ?? 0)},
        {name: "runs", value: (node) => node.runs, text: (node) => String(node.runs)},
    ];
    if (job.nodes.some((node) => node.gpu_s !== undefined)) columns.splice(10, 0, {name: "GPU", value: (node) => node.gpu_part ?? -1, text: (node) => part(node.gpu_part)});
    if (job.nodes.some((node) => node.clock_offset_s)) columns.push({name: "clock", value: (node) => node.clock_offset_s ?? 0, text: (node) => node.clock_offset_s ? (node.clock_offset_s > 0 ? "+" : "\u2212") + secondsText(Math.abs(node.clock_offset_s)) : ""});
    return element("section", {}, element("h2", {}, "Nodes"), table("A click on a head sorts", columns, [...job.nodes]));
}

function jobHeader(job, runs) {
    const utc = new Date(job.began * 1000).toISOString().slice(0, 19).replace("T", " "), local = localText(job.began);
    const line = [local === utc ? utc + " UTC" : local + " (" + utc + " UTC)", "took " + secondsText(job.duration_s), job.orchestrator, job.cluster ? "cluster " + job.cluster : "", job.user].filter(Boolean);
    const several = new Set(job.nodes.filter((node) => node.runs > 1).map((node) => node.name));
    const wrong = runs.filter((run) => run.tone === "bad").map((run) => ({...run, name: (run.host || "?") + (several.has(run.host) && run.job ? ", " + run.job : "")})), off = job.nodes.filter((node) => node.clock_offset_s), late = job.nodes.filter((node) => node.stored_after_s);
    const told = wrong.slice(0, 4).map((node) => element("div.bad", {}, node.name + ": " + [node.word, node.reason].filter(Boolean).join(", ")));
    if (wrong.length > 4) told.push(element("div.bad", {}, "and " + (wrong.length - 4) + " more"));
    if (off.length) told.push(element("div.warn", {}, (off.length === 1 ? "A clock differs: " : "Clocks differ: ") + off.slice(0, 6).map((node) => node.name + " was " + offsetText(node.clock_offset_s)).join(", ") +
        (off.length > 6 ? " and " + (off.length - 6) + " more" : "") + " the " + job.clock_of + "\u2019s. Rows are drawn by the " + job.clock_of + "\u2019s clock."));
    if (late.length) told.push(element("div.warn", {}, "Stored in the bucket: " + late.slice(0, 6).map((node) => node.name + " " + secondsText(Math.abs(node.stored_after_s)) + (node.stored_after_s > 0 ? " after" : " before")).join(", ") +
        (late.length > 6 ? " and " + (late.length - 6) + " more" : "") + " its last row: a clock is wrong there, or it came late. Rows are drawn by the nodes\u2019 clocks."));
    return element("header", {}, element("div.first", {}, element("h1", {}, job.name || job.job), element("span", {}, "job " + job.job), switchTheme()),
        element("div.soft", {}, line.join(" \u00b7 ")), ...told);
}

const nodesCsv = (job) => csvText([["node", "word", "reason", "runs", "began_s", "duration_s", "cpu_s", "cpu_mean", "cpus", "memory_max_mib", "memory_mib", "gpu_s", "gpus", "clock_offset_s"],
    ...job.nodes.map((node) => ["name", "word", "reason", "runs", "began_s", "duration_s", "cpu_s", "cpu_mean", "cpus", "memory_max_mib", "memory_mib", "gpu_s", "gpus", "clock_offset_s"].map((key) => node[key] ?? ""))]);

async function showJob(page, known) {
    const {job, runs} = known, kinds = Object.fromEntries(CHARTS.map((kind) => [kind.chart, kind])), host = element("section", {ariaLabel: "Charts"});
    const several = job.nodes.length > 1, given = Math.min(...runs.map((run) => isGiven(run.limits.memory_from) ? run.limits.memory_mib : Infinity));
    job.run_count = job.runs.length;
    job.asked_word = isGiven(job.asked.by) ? "asked" : "had";
    runs.sort((a, b) => (a.job || a.id).localeCompare(b.job || b.id, "en", {numeric: true}));
    page.append(jobHeader(job, runs), jobTiles(job, runs));
    if (job.advice) page.append(element("section", {}, element("h2", {}, "Advice"), element("p", {}, job.advice)));
    page.append(element("section", {}, several || runs.length < 2 ? nodesMap(job) : heatMap(runs)), host);
    const specs = [sumChart(job, {...kinds.gpu, title: "GPUs", format: cores}, "gpu", job.asked.gpus), sumChart(job, kinds.cpu, "cpu", job.asked.cpus),
        sumChart(job, kinds.memory, "memory", job.asked.memory_mib), sumChart(job, {...kinds.network, title: "Network into the machines"}, "recv", undefined)].filter(Boolean);
    if (specs.length && job.duration_s > 0) charts(host, specs, {end: job.duration_s, began: job.began});
    if (several) page.append(...[balanceOf(job), nodesTable(job)].filter(Boolean));
    if (runs.length > 20)
        page.append(element("section.pair", {}, histogram("Memory at most", runs.map((run) => run.summary.process.memory_max_mib || 0), mib, given < Infinity ? given : 0, "the limit is"),
            histogram("Duration", runs.map((run) => run.took), secondsText, 0, "")));
    page.append(...[adviceOf(job.ask_for, job.is_array ? ", a task" : several ? ", a node" : ""), runs.length > job.nodes.length || !several ? runTable(runs) : null, dataOf(known, () => several ? nodesCsv(job) : runsCsv(runs)), footer(known)].filter(Boolean));
}
