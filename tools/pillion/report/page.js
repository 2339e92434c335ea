// SPDX-License-Identifier: Apache-2.0
/* The page around the charts. What strangers wrote (names, arguments, tags) becomes text nodes alone. */

/* element("td.number", {title: "..."}, child or text...) */
function element(name, properties, ...children) {
    const [tag, ...classes] = name.split(".");
    const made = Object.assign(document.createElement(tag), properties);
    if (classes.length) made.className = classes.join(" ");
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
}

/* ---------------------------------------------------------------------------------------------------- figures */

function bytesText(bytes) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let unit = 0;
    for (; bytes >= 1023.95 && unit < units.length - 1; unit++) bytes /= 1024;
    return (bytes >= 99.95 || unit === 0 ? bytes.toFixed(0) : bytes.toFixed(1).replace(/\.0$/, "")) + " " + units[unit];
}

const mib = (value) => bytesText(value * 1048576);
const rate = (value) => bytesText(value) + "/s";
const cores = (value) => value.toFixed(value < 9.995 ? 2 : 1).replace(/\.?0+$/, "") || "0";
const percent = (value) => (value * 100).toFixed(value < 0.0995 ? 1 : 0).replace(/\.0$/, "") + " %";

function secondsText(seconds) {
    const whole = Math.round(seconds), two = (n) => String(n).padStart(2, "0");
    if (seconds < 1) return seconds === 0 ? "0 s" : seconds.toFixed(3) + " s";
    if (seconds < 99.95) return seconds.toFixed(1) + " s";
    if (whole < 3600) return Math.floor(whole / 60) + " min " + two(whole % 60) + " s";
    return Math.floor(whole / 3600) + " h " + two(Math.floor(whole / 60) % 60) + " min";
}

/* Time since the beginning; `step` is the distance of two such on an axis. */
function clock(seconds, step) {
    const whole = Math.floor(seconds + 1e-9), two = (n) => String(n).padStart(2, "0");
    const hours = Math.floor(whole / 3600), tail = step < 1 ? (seconds - whole).toFixed(step < 0.1 ? 2 : 1).slice(1) : "";
    if (step >= 60 && hours >= 1) return hours + ":" + two(Math.floor(whole / 60) % 60) + " h";
    return (hours ? hours + ":" + two(Math.floor(whole / 60) % 60) : Math.floor(whole / 60)) + ":" + two(whole % 60) + tail;
}

function localText(epoch) {
    const at = new Date(epoch * 1000), two = (n) => String(n).padStart(2, "0");
    return at.getFullYear() + "-" + two(at.getMonth() + 1) + "-" + two(at.getDate()) + " " + two(at.getHours()) + ":" + two(at.getMinutes()) +
        ":" + two(at.getSeconds());
}

/* ----------------------------------------------------------------------------------------------------- curves */

async function inflate(number) {
    const text = document.getElementById("curves" + number).textContent;
    const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
}

/* Fills run.curves in with t (s at the end of each row), lo, hi: in a stack the sums up to there. */
async function decode(run, number) {
    const bytes = await inflate(number), points = run.points;
    let at = 0;
    const series = (into, convert) => {
        let now = 0;
        for (let i = 0; i < points; i++) {
            let value = bytes[at] & 127, factor = 128;
            while (bytes[at++] & 128) {
                value += (bytes[at] & 127) * factor;
                factor *= 128;
            }
            now += value % 2 ? -(value + 1) / 2 : value / 2;
            into[i] = convert(now);
        }
        return into;
    };
    const t = series(new Float64Array(points), (ms) => ms / 1000);
    run.curves.forEach((curve, i) => {
        const convert = (code) => code < 0 ? NaN : curve.log ? 2 ** (code / curve.scale) - 1 : code / curve.scale;
        const lo = series(new Float32Array(points), convert);
        const hi = run.per > 1 ? series(new Float32Array(points), convert) : lo;
        const below = curve.upon && i > 0 ? run.curves[i - 1] : null;
        if (below && run.per === 1) for (let k = 0; k < points; k++) if (below.hi[k] >= 0) lo[k] = below.hi[k] + (lo[k] || 0);
        Object.assign(curve, {t, lo, hi, below});
    });
}

const curveOf = (run, chart, name) => run.curves.find((curve) => curve.chart === chart && (!name || curve.name === name));

const CHARTS = [
    {chart: "gpu", title: "GPU", format: percent, least: 0.1},
    {chart: "vram", title: "GPU memory", format: mib, binary: true, limit: "gpu_memory_mib"},
    {chart: "cpu", title: "CPU cores", format: cores, limit: "cpus"},
    {chart: "memory", title: "Memory", format: mib, binary: true, limit: "memory_mib"},
    {chart: "disk", title: "Disk", format: rate, binary: true, least: 1024},
    {chart: "network", title: "Network", format: rate, binary: true, least: 1024},
    {chart: "gpus", title: "GPUs one by one", format: percent, least: 0.1, several: true},
    {chart: "gpus memory", title: "Memory of each GPU", format: mib, binary: true, several: true},
    {chart: "heat", title: "Temperature of the GPUs", format: (value) => value.toFixed(0) + " \u00b0C", least: 30},
    {chart: "power", title: "Power of the GPUs", format: (value) => value.toFixed(value < 9.95 ? 1 : 0) + " W", least: 1},
];

function chartOf(run, kind) {
    const order = {back: 0, stack: 1, line: 2};
    const shown = run.curves.filter((curve) => curve.chart === kind.chart && curve.role !== "hidden");
    if (!shown.length || (kind.several && shown.length < 2)) return null; /* of one alone GPU has it all */
    let next = 0;
    const items = shown.map((curve) => ({...curve, color: curve.role === "back" ? "back" : "c" + next++ % 9}));
    for (const item of items) if (item.below && item.below.role === "hidden") item.below = null;
    items.sort((a, b) => (order[a.role] === 0) - (order[b.role] === 0));
    const limit = run.limits[kind.limit];
    const note = limit ? "limit " + (kind.chart === "cpu" ? cores(limit) : mib(limit)) : "";
    return {...kind, items, limit, note, marks: run.marks, gaps: run.gaps, strips: kind.chart === "cpu" ? run.throttled : [],
        spoken: note};
}

/* What happened and when, in words: a click leads there. */
function events(run, group) {
    const at = (time) => clock(time, group.end < 10 ? 0.1 : 1), margin = group.end / 50;
    const list = [...run.marks.map((mark) => [mark.at, mark.at, mark.tone, at(mark.at) + " " + mark.text]),
        ...run.throttled.map(([from, to, seconds]) => [from, to, "warn", at(from) + " \u2013 " + at(to) + " throttled: " + secondsText(seconds) + " of CPU withheld"]),
        ...run.gaps.map(([from, to]) => [from, to, "plain", at(from) + " \u2013 " + at(to) + " no rows"])].sort((a, b) => a[0] - b[0]);
    const buttons = list.map(([from, to, tone, text]) => {
        const button = element("button." + tone, {type: "button"}, text);
        button.addEventListener("click", () => group.zoom(from - (to - from) / 2 - margin, to + (to - from) / 2 + margin));
        return element("li", {}, button);
    });
    const few = buttons.slice(0, 12), more = buttons.slice(12);
    if (!few.length) return null;
    return element("div.events", {}, element("ul", {}, ...few), more.length ? element("details", {}, element("summary", {}, more.length + " more"), element("ul", {}, ...more)) : null);
}

/* What is drawn between two times, in twelve parts, for those who do not see it. */
function fillSlices(details, spec, begin, end) {
    const head = element("tr", {}, element("th", {scope: "col"}, "from"), ...spec.items.map((item) => element("th", {scope: "col"}, item.name)));
    const body = element("tbody");
    for (let part = 0; part < 12; part++) {
        const from = begin + part * (end - begin) / 12, to = from + (end - begin) / 12;
        const row = element("tr", {}, element("th", {scope: "row"}, clock(from, to - from)));
        for (const item of spec.items) {
            let most = -1, at = -1;
            for (let i = Charts.firstAfter(item.t, from); i < item.t.length && (i === 0 || item.t[i - 1] < to); i++)
                if (item.hi[i] > most) [most, at] = [item.hi[i], i];
            row.append(element("td", {}, at < 0 ? "" : Charts.value(item, at, spec.format)));
        }
        body.append(row);
    }
    details.querySelector(".wide")?.remove();
    const table = element("table", {}, element("caption", {}, "The most in each part of the time shown"), element("thead", {}, head), body);
    details.append(element("div.wide", {}, table));
}

/* The line above the charts: the time under the pointer, the range, the way back. It stays in sight. */
function charts(host, specs, options) {
    const at = element("output"), range = element("small", {ariaLive: "polite"}), all = element("button", {type: "button"}, "All");
    const bar = element("div.time", {}, at, range, all);
    const told = (group) => {
        const epoch = options.began && group.at !== null ? ", " + localText(options.began + group.at) : "";
        at.textContent = group.at === null ? "Point at a chart; drag, pinch or + to zoom" : "at " + clock(group.at, (group.to - group.from) / 100) + epoch;
        range.textContent = clock(group.from, 1) + " \u2013 " + clock(group.to, 1);
        all.disabled = group.from <= 0 && group.to >= group.end;
    };
    host.append(bar);
    const group = Charts.group(host, specs, {...options, told});
    all.addEventListener("click", () => group.zoom(0, group.end));
    window.addEventListener("beforeprint", () => {
        document.documentElement.classList.remove("dark");
        host.style.width = "680px";
        group.redraw();
    });
    window.addEventListener("afterprint", () => {
        host.style.width = "";
        theme();
        group.redraw();
    });
    themed.push(() => group.redraw());
    return group;
}

/* ----------------------------------------------------------------------------------------------- light and dark */

const themed = [], dark = matchMedia("(prefers-color-scheme: dark)");
let chosenTheme = null;

function theme() {
    document.documentElement.classList.toggle("dark", chosenTheme === null ? dark.matches : chosenTheme);
}

function switchTheme() {
    const button = element("button.switch", {type: "button"}, "Light / dark");
    const redraw = () => {
        theme();
        for (const each of themed) each();
    };
    button.addEventListener("click", () => {
        chosenTheme = !document.documentElement.classList.contains("dark");
        redraw();
    });
    dark.addEventListener("change", redraw);
    return button;
}

/* --------------------------------------------------------------------------------------------------- the parts */

function copyButton(text) {
    const button = element("button", {type: "button"}, "Copy");
    button.addEventListener("click", async () => {
        try {
            await navigator.clipboard.writeText(text);
            button.textContent = "Copied";
        } catch {
            getSelection().selectAllChildren(button.previousElementSibling);
        }
    });
    return button;
}

const isGiven = (source) => source && source !== "machine" && source !== "device";
const wordOf = (run) => run.word ? element("span.word." + run.tone, {}, run.word) : null;

function machineText(run) {
    const m = run.machine || {}, parts = [m.name, m.cpu];
    if (m.cpus) parts.push(m.cpus + (m.cpus === 1 ? " core" : " cores"));
    if (m.memory_mib) parts.push(mib(m.memory_mib));
    if (m.gpu) parts.push((m.gpus > 1 ? m.gpus + " \u00d7 " : "") + m.gpu);
    return parts.filter(Boolean).join(" \u00b7 ");
}

function headerOf(run) {
    const utc = new Date((run.began || 0) * 1000).toISOString().slice(0, 19).replace("T", " "), local = localText(run.began || 0);
    const when = !run.began ? "" : local === utc ? utc + " UTC" : local + " (" + utc + " UTC)";
    const line = [when, "took " + secondsText(run.took), run.job ? "job " + run.job : "", run.job_more].filter(Boolean).join(" \u00b7 ");
    return element("header", {}, element("div.first", {}, element("h1", {}, run.name), wordOf(run), element("span", {}, run.reason || ""), switchTheme()),
        element("div.soft", {}, line),
        run.command ? element("div.command", {}, element("code", {}, run.command), copyButton(run.command)) : null,
        element("div.soft", {}, [machineText(run), "run " + run.id].filter(Boolean).join(" \u00b7 ")),
        run.container ? element("div.soft", {}, run.container) : null,
        run.trouble ? element("div.bad", {}, (run.state === "local" ? "Not sent: " : "Not delivered: ") + run.trouble) : null,
        run.delivery ? element("div.soft", {}, run.delivery_by + ": " + run.delivery) : null,
        run.allotment ? element("div.soft", {}, run.allotment_by + " gave " + run.allotment) : null,
        run.energy ? element("div.soft", {}, "Energy: " + run.energy) : null,
        run.tags?.length ? element("div", {}, ...run.tags.map((tag) => element("span.tag", {}, tag))) : null);
}

function tile(title, big, small, part) {
    const made = element("div.tile", {}, element("span.soft", {}, title), element("strong", {}, big));
    if (part !== undefined) {
        const bar = element("i" + (part > 0.95 ? ".full" : ""));
        bar.style.width = Math.min(part * 100, 100) + "%";
        made.append(element("div.bar", {role: "img", ariaLabel: percent(part) + " of the limit"}, bar));
    }
    made.append(element("small", {}, small));
    return made;
}

function tilesOf(run) {
    const {summary, limits} = run, p = summary.process, list = [];
    const load = run.user_s + run.system_s;
    list.push(tile("Time", secondsText(run.took), (run.rows ?? summary.rows) + (summary.rows === 1 ? " row" : " rows") + ", CPU time " + secondsText(load)));
    if (p.cpu_mean !== undefined)
        list.push(tile("CPU", cores(p.cpu_mean) + (limits.cpus ? " of " + cores(limits.cpus) : "") + " cores",
            (limits.cpus ? percent(p.cpu_mean / limits.cpus) + ", " : "") + "at most " + cores(p.cpu_max), limits.cpus ? p.cpu_mean / limits.cpus : undefined));
    if (p.memory_max_mib !== undefined) {
        const most = limits.memory_mib ? p.memory_max_mib / limits.memory_mib : undefined;
        list.push(tile("Memory at most", mib(p.memory_max_mib) + (limits.memory_mib ? " of " + mib(limits.memory_mib) : ""),
            (most !== undefined ? percent(most) + (isGiven(limits.memory_from) ? " of its limit" : " of the machine") : "") +
            (p.memory_peak_mib ? (most !== undefined ? ", " : "") + "largest process " + mib(p.memory_peak_mib) : ""), most));
    }
    const seen = p.gpu_mean !== undefined ? p : summary.system, gpu = seen.gpu_mean;
    if (gpu !== undefined) {
        const devices = limits.gpus || 1, vram = p.gpu_memory_max_mib;
        list.push(tile(devices > 1 ? "GPU, of " + devices : "GPU", percent(gpu / devices),
            "at most " + percent(seen.gpu_max / devices) + (vram ? ", memory " + mib(vram) +
            (limits.gpu_memory_mib ? " of " + mib(limits.gpu_memory_mib) : "") : ""), gpu / devices));
    }
    return element("section.tiles", {ariaLabel: "Figures"}, ...list);
}

/* columns: {name, value(row), text(row), left}; sorts by a click on a head. */
function table(caption, columns, rows) {
    const body = element("tbody"), heads = columns.map((column) => element("th" + (column.left ? ".left" : ""), {scope: "col"}));
    const fill = () => body.replaceChildren(...rows.map((row) => element("tr", {}, ...columns.map((column) => {
        const text = column.text(row);
        return element("td" + (column.left ? ".left" + (column.wide ? ".name" : "") : ""), {}, text);
    }))));
    columns.forEach((column, i) => {
        const button = element("button", {type: "button"}, column.name);
        heads[i].append(button);
        button.addEventListener("click", () => {
            const sign = heads[i].getAttribute("aria-sort") === "descending" ? 1 : -1;
            for (const head of heads) head.removeAttribute("aria-sort");
            heads[i].setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
            rows.sort((a, b) => {
                const [x, y] = [column.value(a), column.value(b)];
                return sign * (x < y ? -1 : x > y ? 1 : 0);
            });
            fill();
        });
    });
    fill();
    return element("div.wide", {}, element("table", {}, element("caption", {}, caption), element("thead", {}, element("tr", {}, ...heads)), body));
}

const plainColumn = (name, key, format) => ({name, value: (row) => row[key], text: (row) => format ? format(row[key]) : String(row[key])});

function commandsOf(run) {
    if (!run.commands.length) return null;
    for (const command of run.commands) command.cpu = command.user_s + command.system_s;
    const total = run.commands.reduce((sum, command) => sum + command.cpu, 0) || 1;
    const columns = [
        {name: "Command", left: true, wide: true, value: (row) => row.name, text: (row) => row.name},
        plainColumn("processes", "processes"), plainColumn("CPU time", "cpu", secondsText),
        {name: "share", value: (row) => row.cpu, text: (row) => percent(row.cpu / total)},
        plainColumn("memory at most", "memory_max_mib", (value) => value > 0 ? mib(value) : ""), plainColumn("read", "read_bytes", bytesText), plainColumn("written", "write_bytes", bytesText),
    ];
    if (run.commands.some((command) => command.gpu_s > 0)) columns.push(plainColumn("GPU time", "gpu_s", secondsText));
    return element("section", {}, element("h2", {}, "Commands"), table("What each command used, all its processes together", columns, run.commands));
}

function gpusOf(run) {
    if (!run.gpus.length) return null;
    const of = (name, key, format) => ({name, value: (row) => row[key] ?? -1, text: (row) => row[key] === undefined ? "-" : format(row[key])});
    const watts = (value) => value.toFixed(0) + " W", degrees = (value) => value.toFixed(0) + " \u00b0C";
    const columns = [{name: "GPU", left: true, value: (row) => row.gpu, text: (row) => "GPU " + row.gpu}, of("used, mean", "usage_mean", percent),
        of("at most", "usage_max", percent), of("memory at most", "memory_max_mib", mib), of("temperature at most", "temperature_max_c", degrees),
        of("power, mean", "power_mean_w", watts), of("at most", "power_max_w", watts)];
    return element("section", {}, element("h2", {}, "GPUs"), table("Each GPU of the machine, whoever used it", columns, run.gpus));
}

/* What to ask for next time, with the reasons. */
function adviceOf(advice, each = "") {
    if (!advice) return null;
    const cpus = advice.cpus + (advice.cpus === 1 ? " core: " : " cores: ");
    const why = [mib(advice.memory_mib) + " of memory: " + advice.memory_why + ".", cpus + advice.cpus_why + ".",
        (advice.minutes < 100 ? advice.minutes + " min" : secondsText(advice.minutes * 60)) + ": " + advice.time_why + ".", advice.caution];
    const lines = [advice.slurm, advice.kubernetes].map((line) => element("div.command", {}, element("code", {}, line), copyButton(line)));
    return element("section.advice", {}, element("h2", {}, "To ask for next time" + each), element("p", {}, why.filter(Boolean).join(" ")), ...lines);
}

/* A cell that a spreadsheet would take for a formula is told to be text. */
function csvCell(value) {
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? "'" + value : String(value);
    return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
}

const csvText = (rows) => rows.map((row) => row.map(csvCell).join(",")).join("\n") + "\n";

function curvesCsv(run) {
    const rows = [["seconds", ...run.curves.flatMap((curve) => run.per > 1 ? [curve.chart + " " + curve.name + " low", curve.chart + " " + curve.name + " high"]
        : [curve.chart + " " + curve.name])]];
    const number = (value) => value >= 0 ? Number(value.toPrecision(7)) : "";
    for (let i = 0; i < run.points; i++)
        rows.push([run.curves[0].t[i], ...run.curves.flatMap((curve) => {
            const below = curve.below && curve.below.hi[i] >= 0 ? curve.below.hi[i] : 0;
            return run.per > 1 ? [number(curve.lo[i]), number(curve.hi[i])] : [number(Math.max(curve.hi[i] - below, 0))];
        })]);
    return csvText(rows);
}

function saveButton(label, name, type, make) {
    const button = element("button", {type: "button"}, label);
    button.addEventListener("click", () => {
        const link = element("a", {href: URL.createObjectURL(new Blob([make()], {type})), download: name});
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
    return button;
}

function dataOf(known, csv) {
    const name = "pillion-" + known.runs[0].id.replace(/[^\w.-]/g, "_");
    const json = () => JSON.stringify(known, (key, value) => ["t", "lo", "hi", "below", "curves"].includes(key) ? undefined : value, 1);
    return element("section.no-print", {}, element("h2", {}, "Data"), element("div.data", {}, saveButton("CSV", name + ".csv", "text/csv", csv),
        saveButton("JSON", name + ".json", "application/json", json)),
        element("pre", {}, "import pandas; rows = pandas.read_csv(\"metrics.csv\")    # every row is in the run's directory\n" +
            "duckdb -c \"SELECT max(process_memory_mib) FROM 'metrics.csv'\""));
}

const footer = (known) => element("footer.soft", {}, "Made by pillion " + known.version + ", " + known.made.replace("T", " ").replace("Z", " UTC") +
    ". This file holds all its data and asks nothing of any network.");

/* ------------------------------------------------------------------------------------------------- a single run */

async function showRun(page, known) {
    const run = known.runs[0];
    await decode(run, 0);
    const specs = CHARTS.map((kind) => chartOf(run, kind)).filter(Boolean), host = element("section", {ariaLabel: "Charts"});
    page.append(headerOf(run), tilesOf(run));
    const findings = element("section");
    page.append(findings, host);
    if (!run.points || !specs.length) {
        host.append(element("p", {}, run.word === "running" ? "There is no row yet." : "This run left no rows: it was over before one was due, or they are gone."));
    } else {
        const group = charts(host, specs, {end: run.curves[0].t[run.points - 1], began: run.began});
        const happened = events(run, group);
        if (happened) host.querySelector(".time").after(happened);
        if (run.findings.length) findings.append(element("h2", {}, "What stands out"), element("ul.findings", {}, ...run.findings.map((finding) => {
            const button = element("button", {type: "button"}, finding.text);
            button.addEventListener("click", () => {
                const margin = (finding.to - finding.from) / 20;
                group.zoom(finding.from - margin, finding.to + margin);
                host.scrollIntoView({block: "start"});
            });
            return element("li", {}, button);
        })));
        if (run.per > 1) host.append(element("small", {}, "Each point holds " + run.per + " rows: their lowest and their highest value."));
        if (run.is_cut) host.append(element("small", {}, " The run has more rows than a page can hold: the curves end before it does."));
    }
    page.append(...[commandsOf(run), gpusOf(run), adviceOf(known.advice), dataOf(known, () => curvesCsv(run)), footer(known)].filter(Boolean));
}

/* -------------------------------------------------------------------------------------------------- two to twenty */

const FIGURES = [
    ["Time", (run) => run.took, secondsText], ["CPU time", (run) => run.user_s + run.system_s, secondsText],
    ["CPU cores, mean", (run) => run.summary.process.cpu_mean, cores], ["CPU cores, most", (run) => run.summary.process.cpu_max, cores],
    ["Memory, most", (run) => run.summary.process.memory_max_mib, mib], ["Largest process", (run) => run.summary.process.memory_peak_mib, mib],
    ["GPU, mean", (run) => run.summary.process.gpu_mean, percent], ["GPU memory, most", (run) => run.summary.process.gpu_memory_max_mib, mib],
    ["Disk read", (run) => run.summary.process.disk_read_bytes, bytesText], ["Disk written", (run) => run.summary.process.disk_write_bytes, bytesText],
];

function differences(runs) {
    const head = element("tr", {}, element("th"), ...runs.map((run, i) => element("th.name", {scope: "col"}, element("i.c" + i % 9, {}, "\u00a0\u00a0"), " " + run.label)));
    const body = element("tbody", {}, element("tr", {}, element("th", {scope: "row"}, "State"), ...runs.map((run) => element("td", {}, wordOf(run)))));
    for (const [name, of, format] of FIGURES) {
        const base = of(runs[0]);
        if (!runs.some((run) => of(run) !== undefined)) continue;
        body.append(element("tr", {}, element("th", {scope: "row"}, name), ...runs.map((run, i) => {
            const value = of(run), change = i && base > 0 && value !== undefined ? value / base - 1 : 0;
            const text = Math.abs(change) < 0.005 ? "" : " " + (change > 0 ? "+" : "\u2212") + percent(Math.abs(change));
            return element("td", {}, value === undefined ? "-" : format(value), element("small", {}, text));
        })));
    }
    return element("section", {}, element("h2", {}, "Differences"), element("div.wide", {}, element("table", {},
        element("caption", {}, "In per cent of the first run, the base"), element("thead", {}, head), body)));
}

function overlay(runs, kind, title, chart, name) {
    const items = runs.map((run, i) => {
        const curve = curveOf(run, chart, name) || curveOf(run, chart);
        return curve ? {t: curve.t, lo: curve.lo, hi: curve.hi, name: run.label, role: "line", color: "c" + i % 9} : null;
    }).filter(Boolean);
    return items.length ? {...kind, title, items, limit: undefined} : null;
}

async function showCompared(page, known) {
    const runs = known.runs, host = element("section", {ariaLabel: "Charts"});
    for (let i = 0; i < runs.length; i++) await decode(runs[i], i);
    const names = new Set(runs.map((run) => run.name));
    runs.forEach((run, i) => run.label = (names.size === runs.length ? "" : i + 1 + " ") + run.name);
    const title = element("h1", {}, runs.length + " runs compared"), first = element("small", {}, "from second 0; the base is " + runs[0].label);
    page.append(element("header", {}, element("div.first", {}, title, first, switchTheme())));
    const kinds = Object.fromEntries(CHARTS.map((kind) => [kind.chart, kind]));
    const specs = [overlay(runs, kinds.gpu, "GPU", "gpu", "this run"), overlay(runs, kinds.vram, "GPU memory", "vram", "this run"),
        overlay(runs, kinds.cpu, "CPU cores", "cpu", "system"), overlay(runs, kinds.memory, "Memory", "memory", "this run"),
        overlay(runs, kinds.disk, "Disk read", "disk", "read"), overlay(runs, kinds.disk, "Disk written", "disk", "written")].filter(Boolean);
    page.append(differences(runs), host);
    const end = Math.max(...runs.map((run) => run.points ? run.curves[0]?.t[run.points - 1] || 0 : 0));
    if (specs.length && end > 0) charts(host, specs, {end});
    page.append(runTable(runs), dataOf(known, () => runsCsv(runs)), footer(known));
}

/* ------------------------------------------------------------------------------------------------------ many runs */

function runTable(runs) {
    const p = (run) => run.summary.process, part = (value, limit) => limit ? value / limit : -1;
    const columns = [
        {name: "Run", left: true, wide: true, value: (run) => run.job || run.name, text: (run) => run.job || run.label || run.name},
        {name: "state", left: true, value: (run) => run.word || "", text: (run) => wordOf(run)},
        {name: "why", left: true, wide: true, value: (run) => run.reason || "", text: (run) => run.word === "finished" ? "" : run.reason || ""},
        {name: "machine", left: true, value: (run) => run.host || run.machine?.name || "", text: (run) => run.host || run.machine?.name || ""},
        {name: "took", value: (run) => run.took, text: (run) => secondsText(run.took)},
        {name: "CPU", value: (run) => part(p(run).cpu_mean || 0, run.limits.cpus), text: (run) => run.limits.cpus ? percent((p(run).cpu_mean || 0) / run.limits.cpus) : "-"},
        {name: "cores", value: (run) => p(run).cpu_mean || 0, text: (run) => cores(p(run).cpu_mean || 0)},
        {name: "memory", value: (run) => p(run).memory_max_mib || 0, text: (run) => mib(p(run).memory_max_mib || 0)},
        {name: "read", value: (run) => p(run).disk_read_bytes || 0, text: (run) => bytesText(p(run).disk_read_bytes || 0)},
        {name: "written", value: (run) => p(run).disk_write_bytes || 0, text: (run) => bytesText(p(run).disk_write_bytes || 0)},
    ];
    return element("section", {}, element("h2", {}, "Runs"), table("A click on a head sorts", columns, [...runs]));
}

const runsCsv = (runs) => csvText([["id", "name", "job", "state", "took_s", "cpu_mean", "cpu_max", "memory_max_mib", "disk_read_bytes", "disk_write_bytes"],
    ...runs.map((run) => [run.id, run.name, run.job || "", run.word || "", run.took, ...["cpu_mean", "cpu_max", "memory_max_mib", "disk_read_bytes",
        "disk_write_bytes"].map((key) => run.summary.process[key] ?? "")])]);

function histogram(title, values, format, limit, limitText) {
    const sorted = values.filter((value) => value > 0).sort((a, b) => a - b), most = Math.max(sorted.at(-1) || 1, 1e-9);
    const end = limit && limit < 3 * most ? Math.max(most, limit) * 1.02 : most * 1.0001, bins = new Array(24).fill(0);
    for (const value of sorted) bins[Math.min(23, Math.floor(value / end * 24))]++;
    const p95 = sorted[Math.max(0, Math.ceil(sorted.length * 0.95) - 1)] || 0, canvas = element("canvas", {ariaHidden: "true"});
    const plot = element("div.plot", {}, canvas);
    const words = "95 % at most " + format(p95) + ", the most was " + format(most) + (limit ? "; " + limitText + " " + format(limit) : "");
    const draw = () => {
        const style = getComputedStyle(document.documentElement), color = (name) => style.getPropertyValue("--" + name).trim();
        const ratio = devicePixelRatio || 1, width = plot.clientWidth, pen = canvas.getContext("2d"), tallest = Math.max(...bins, 1), step = (width - 50) / 24;
        [canvas.width, canvas.height] = [width * ratio, 180 * ratio];
        pen.scale(ratio, ratio);
        pen.font = "11px system-ui, sans-serif";
        bins.forEach((count, i) => {
            pen.fillStyle = color("c0");
            pen.fillRect(40 + i * step, 158 - count / tallest * 145, step - 1, count / tallest * 145);
        });
        pen.fillStyle = color("soft");
        pen.fillText(String(tallest), 4, 20);
        for (let i = 0; i <= 4; i++) {
            pen.textAlign = i === 4 ? "right" : i ? "center" : "left";
            pen.fillText(format(end * i / 4), 40 + i * (width - 50) / 4, 174);
        }
        if (limit && limit <= end) {
            pen.fillStyle = color("limit");
            pen.fillRect(40 + limit / end * (width - 50), 8, 2, 150);
        }
    };
    new ResizeObserver(draw).observe(plot);
    themed.push(draw);
    return element("figure", {}, element("figcaption", {}, element("h3", {}, title), element("small", {}, words)), plot);
}

/* A line for each run, time to the right; what is darker used more of its cores. */
function heatMap(runs) {
    const end = Math.max(...runs.map((run) => run.took), 1e-9), canvas = element("canvas", {ariaHidden: "true"}), words = element("small", {}, "Point at a line");
    const most = Math.max(...runs.map((run) => run.summary.process.cpu_max || 0), 0.01);
    const height = Math.max(2, Math.min(16, Math.floor(620 / runs.length))), full = height * runs.length, plot = element("div.heat", {}, canvas);
    const valueAt = (run, time) => time < run.took && run.cpu.length ? run.cpu[Math.min(run.cpu.length - 1, Math.floor(time / run.took * run.cpu.length))] : null;
    const partOf = (run, value) => Math.min(value / (run.limits.cpus || most), 1);
    const draw = () => {
        const ratio = devicePixelRatio || 1, width = plot.clientWidth, pen = canvas.getContext("2d"), isDark = document.documentElement.classList.contains("dark");
        [canvas.width, canvas.height] = [width * ratio, full * ratio];
        [canvas.style.width, canvas.style.height] = [width + "px", full + "px"];
        pen.scale(ratio, ratio);
        runs.forEach((run, i) => {
            for (let x = 0; x < width; x += 2) {
                const value = valueAt(run, x / width * end);
                if (value === null) continue;
                const part = partOf(run, value);
                pen.fillStyle = heatColor(part, isDark);
                pen.fillRect(x, i * height, 2, height > 4 ? height - 1 : height);
            }
        });
    };
    plot.addEventListener("pointermove", (event) => {
        const box = canvas.getBoundingClientRect(), run = runs[Math.min(runs.length - 1, Math.max(0, Math.floor((event.clientY - box.top) / height)))];
        const time = Math.max(0, (event.clientX - box.left) / box.width * end), value = valueAt(run, time);
        words.textContent = (run.job || run.name) + " at " + clock(time, 1) + ": " + (value === null ? "over" : cores(value) + " cores");
    });
    new ResizeObserver(draw).observe(plot);
    themed.push(draw);
    return element("figure", {}, element("figcaption", {}, element("h3", {}, "CPU by run and time"), words), plot,
        element("small", {}, "0 to " + secondsText(end) + " from left to right; the warmer, the more of the cores that the run had"));
}

async function showMany(page, known) {
    const runs = known.runs, states = {};
    for (const run of runs) states[run.word || "file"] = (states[run.word || "file"] || 0) + 1;
    runs.sort((a, b) => (a.job || a.id).localeCompare(b.job || b.id, "en", {numeric: true}));
    const words = Object.entries(states).map(([word, count]) => count + " " + word).join(", ");
    const given = Math.min(...runs.map((run) => isGiven(run.limits.memory_from) ? run.limits.memory_mib : Infinity));
    page.append(element("header", {}, element("div.first", {}, element("h1", {}, runs.length + " runs of " + runs[0].name), element("span", {}, words), switchTheme())),
        element("section", {}, heatMap(runs)),
        element("section.pair", {}, histogram("Memory at most", runs.map((run) => run.summary.process.memory_max_mib || 0), mib, given < Infinity ? given : 0, "the limit is"),
            histogram("Duration", runs.map((run) => run.took), secondsText, 0, "")),
        ...[adviceOf(known.advice), runTable(runs), dataOf(known, () => runsCsv(runs)), footer(known)].filter(Boolean));
}

theme();
{
    const known = JSON.parse(document.getElementById("known").textContent), page = document.getElementById("page");
    for (const run of known.runs) run.limits = run.summary.limits;
    const show = {run: showRun, compare: showCompared, many: showMany, job: showJob}[known.kind];
    show(page, known).then(() => page.dataset.ready = known.kind, (error) => {
        page.append(element("p.bad", {}, "This browser cannot show the report: " + error.message));
        console.error(error);
    });
}
