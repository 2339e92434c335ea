// SPDX-License-Identifier: Apache-2.0
/* Linked charts on one time axis, drawn on canvases. Of all rows that fall into a column of pixels the lowest and the
 * highest are drawn, so no peak hides, however long the run. A redraw reads the style once and allocates nothing
 * in its loops. */
"use strict";

const Charts = (() => {
    const LEFT = 62, RIGHT = 10, TOP = 10, BOTTOM = 20, HEIGHT = 150;
    const TIME_STEPS = [0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800];
    let lows = new Float64Array(0), highs = new Float64Array(0);

    /* The first row that ends after `time`. */
    function firstAfter(times, time) {
        let low = 0, high = times.length;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (times[middle] > time) high = middle; else low = middle + 1;
        }
        return low;
    }

    /* Lowest and highest of each column; where there is no row the highest is -Infinity. Returns the highest of all. */
    function reduce(item, from, to, width) {
        const {t, lo, hi} = item, count = t.length, step = (to - from) / width;
        let row = from < 0 ? 0 : firstAfter(t, from), top = 0;
        for (let x = 0; x < width; x++) {
            const end = from + (x + 1) * step;
            let low = Infinity, high = -Infinity;
            while (row < count) {
                if (lo[row] < low) low = lo[row];
                if (hi[row] > high) high = hi[row];
                if (t[row] > end) break;
                if (t[row++] === end) break;
            }
            lows[x] = low;
            highs[x] = high;
            if (high > top) top = high;
        }
        return top;
    }

    function niceStep(most, count, binary) {
        const unit = binary && most >= 1024 ? 1024 ** Math.floor(Math.log(most) / Math.log(1024)) : 1;
        const rough = most / unit / count, power = 10 ** Math.floor(Math.log10(rough)), part = rough / power;
        return (part > 5 ? 10 : part > 2 ? 5 : part > 1 ? 2 : 1) * power * unit;
    }

    class Group {
        constructor(host, specs, options) {
            Object.assign(this, {end: options.end || 1, from: 0, to: options.end || 1, at: null, told: options.told, views: []});
            for (const spec of specs) this.views.push(this.view(host, spec));
            new ResizeObserver(() => this.redraw()).observe(host);
        }

        view(host, spec) {
            const canvas = element("canvas", {ariaHidden: "true"});
            const cursor = element("div.cursor", {hidden: true}), chosen = element("div.chosen", {hidden: true});
            const plot = element("div.plot", {}, canvas, chosen, cursor);
            const values = spec.items.map((item) => element("b", {}));
            const legend = element("ul.legend", {}, ...spec.items.map((item, i) => {
                const swatch = element("i." + item.color + (item.role === "line" ? ".thin" : ""));
                return element("li", {}, swatch, item.name + " ", values[i]);
            }));
            const slices = element("details.slices", {}, element("summary", {}, "As a table"));
            slices.addEventListener("toggle", () => slices.open && fillSlices(slices, spec, this.from, this.to));
            const title = element("h3", {}, spec.title, element("small", {}, spec.note ? " " + spec.note : ""));
            const figure = element("figure", {tabIndex: 0, role: "group"}, element("figcaption", {}, title, legend), plot, slices);
            figure.setAttribute("aria-label", spec.title + ". " + (spec.spoken || "") +
                " Arrow keys move the line, plus and minus zoom, 0 shows all.");
            host.append(figure);
            const view = {spec, canvas, plot, cursor, chosen, values, pointers: new Map()};
            this.listen(view, figure);
            return view;
        }

        listen(view, figure) {
            const {plot, pointers, chosen} = view;
            const timeOf = (x) => this.timeAt(view, x - plot.getBoundingClientRect().left);
            plot.addEventListener("pointerdown", (event) => {
                pointers.set(event.pointerId, timeOf(event.clientX));
                if (event.isPrimary && event.pointerType === "mouse") plot.setPointerCapture(event.pointerId);
            });
            plot.addEventListener("pointermove", (event) => {
                const now = timeOf(event.clientX);
                if (pointers.size === 2 && pointers.has(event.pointerId)) return this.pinch(view, event);
                this.point(now);
                if (pointers.size === 1 && event.pointerType === "mouse") this.select(view, pointers.get(event.pointerId), now);
            });
            const release = (event) => {
                const from = pointers.get(event.pointerId), now = timeOf(event.clientX);
                pointers.delete(event.pointerId);
                if (!chosen.hidden && event.type === "pointerup") this.zoom(Math.min(from, now), Math.max(from, now));
                chosen.hidden = true;
            };
            for (const name of ["pointerup", "pointercancel"]) plot.addEventListener(name, release);
            plot.addEventListener("pointerleave", () => pointers.size || this.point(null));
            plot.addEventListener("dblclick", () => this.zoom(0, this.end));
            plot.addEventListener("wheel", (event) => {
                const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
                if (!event.ctrlKey && !event.metaKey && !(sideways && this.to - this.from < this.end)) return;
                event.preventDefault();
                if (sideways) this.pan(event.deltaX / view.width); else this.scale(2 ** (event.deltaY / 150), timeOf(event.clientX));
            }, {passive: false});
            figure.addEventListener("keydown", (event) => this.key(event, figure));
        }

        /* Two fingers: the times below them stay below them. */
        pinch(view, event) {
            const {plot, pointers} = view, other = [...pointers.keys()].find((id) => id !== event.pointerId);
            const left = plot.getBoundingClientRect().left + LEFT, x = event.clientX - left;
            const t1 = pointers.get(event.pointerId), t2 = pointers.get(other), x2 = (t2 - this.from) / (this.to - this.from) * view.width;
            const step = (t1 - t2) / (x - x2);
            if (Math.abs(x - x2) >= 10 && step > 0) this.zoom(t2 - x2 * step, t2 + (view.width - x2) * step);
        }

        key(event, figure) {
            if (event.target !== figure || event.ctrlKey || event.metaKey || event.altKey) return;
            const span = this.to - this.from, middle = this.at ?? (this.from + this.to) / 2;
            const step = (sign) => event.shiftKey ? this.pan(sign / 4) : this.move(middle + sign * span / 100);
            const keys = {
                ArrowLeft: () => step(-1), ArrowRight: () => step(1), "+": () => this.scale(0.5, middle), "=": () => this.scale(0.5, middle),
                "-": () => this.scale(2, middle), 0: () => this.zoom(0, this.end), Escape: () => this.point(null),
                Home: () => this.move(0), End: () => this.move(this.end),
            };
            if (keys[event.key]) event.preventDefault();
            keys[event.key]?.();
        }

        /* The line goes where a key sends it, and the charts go along. */
        move(time) {
            const at = Math.min(Math.max(time, 0), this.end), span = this.to - this.from;
            if (at < this.from) this.zoom(at, at + span);
            if (at > this.to) this.zoom(at - span, at);
            this.point(at);
        }

        pan(part) {
            const by = part * (this.to - this.from);
            const held = Math.min(Math.max(by, -this.from), this.end - this.to);
            this.zoom(this.from + held, this.to + held);
        }

        scale(factor, around) {
            this.zoom(around - (around - this.from) * factor, around + (this.to - around) * factor);
        }

        zoom(from, to) {
            const least = Math.min(this.end, Math.max(this.end / 1e5, 0.05));
            if (to - from < least) [from, to] = [(from + to - least) / 2, (from + to + least) / 2];
            const span = Math.min(to - from, this.end);
            this.from = Math.min(Math.max(from, 0), this.end - span);
            this.to = this.from + span;
            this.redraw();
        }

        timeAt(view, x) {
            const part = Math.min(Math.max((x - LEFT) / view.width, 0), 1);
            return this.from + part * (this.to - this.from);
        }

        select(view, from, to) {
            const x = (time) => LEFT + (time - this.from) / (this.to - this.from) * view.width;
            const [a, b] = [x(Math.min(from, to)), x(Math.max(from, to))];
            view.chosen.hidden = b - a < 4;
            Object.assign(view.chosen.style, {left: a + "px", width: b - a + "px"});
        }

        point(time) {
            this.at = time;
            for (const view of this.views) {
                const {items, format} = view.spec, shown = time !== null && time >= this.from && time <= this.to;
                view.cursor.hidden = !shown;
                if (shown) view.cursor.style.left = LEFT + (time - this.from) / (this.to - this.from) * view.width + "px";
                items.forEach((item, i) => {
                    const row = time === null ? -1 : firstAfter(item.t, time === this.end ? time - 1e-6 : time);
                    const known = row >= 0 && row < item.t.length && item.hi[row] >= 0;
                    view.values[i].textContent = known ? Charts.value(item, row, format) : "";
                });
            }
            this.told(this);
        }

        redraw() {
            const style = getComputedStyle(document.documentElement), cache = new Map();
            const color = (name) => {
                if (!cache.has(name)) cache.set(name, style.getPropertyValue("--" + name).trim());
                return cache.get(name);
            };
            for (const view of this.views) this.draw(view, color);
            this.point(this.at);
        }

        draw(view, color) {
            const {canvas, plot, spec} = view, ratio = Math.min(window.devicePixelRatio || 1, 3);
            const full = Math.max(plot.clientWidth, 120), width = Math.floor(full - LEFT - RIGHT), columns = Math.ceil(width * ratio);
            const pen = canvas.getContext("2d"), bottom = TOP + HEIGHT;
            [canvas.width, canvas.height] = [full * ratio, (bottom + BOTTOM) * ratio];
            view.width = width;
            if (lows.length < columns) [lows, highs] = [new Float64Array(columns), new Float64Array(columns)];
            /* The machine behind it does not flatten the run: then it is cut off at the top. */
            const tops = spec.items.map((item) => [reduce(item, this.from, this.to, columns), item.role === "back"]);
            const [own, all] = [tops.filter((one) => !one[1]), tops].map((list) => Math.max(spec.least || 0, ...list.map((one) => one[0])));
            let most = own > 0 && all > 2.5 * own ? own : all;
            if (spec.limit && spec.limit <= 3 * most) most = Math.max(most, spec.limit);
            most = (most || 1) * 1.06;
            const y = (value) => bottom - value / most * HEIGHT, x = (time) => LEFT + (time - this.from) / (this.to - this.from) * width;
            pen.scale(ratio, ratio);
            pen.font = "11px system-ui, sans-serif";
            this.axes(pen, spec, color, {most, y, x, width, bottom});
            pen.save();
            pen.beginPath();
            pen.rect(LEFT, TOP - 2, width, HEIGHT + 3);
            pen.clip();
            pen.fillStyle = color("gap");
            for (const [from, to] of spec.gaps || []) pen.fillRect(x(from), TOP, x(to) - x(from), HEIGHT);
            const of = (role) => spec.items.filter((one) => one.role === role);
            for (const item of [...of("back"), ...of("stack").reverse()]) this.area(pen, item, columns, ratio, y, color);
            for (const item of of("line")) this.line(pen, item, columns, ratio, y, color(item.color));
            pen.fillStyle = color("warn");
            for (const [from, to] of spec.strips || []) pen.fillRect(x(from), TOP - 2, x(to) - x(from), 5);
            pen.restore();
            if (spec.limit && spec.limit <= most) this.rule(pen, LEFT, y(spec.limit), LEFT + width, y(spec.limit), color("limit"), [6, 4]);
            for (const mark of spec.marks || [])
                if (mark.at >= this.from && mark.at <= this.to) this.rule(pen, x(mark.at), TOP, x(mark.at), bottom, color(mark.tone), [2, 2]);
        }

        /* To the highest in a light colour, to the lowest in the full one: of a single row a column both are the same. */
        area(pen, item, columns, ratio, y, color) {
            reduce(item, this.from, this.to, columns);
            for (const [edge, paint] of [[highs, color(item.color + "-light")], [lows, color(item.color)]]) {
                pen.fillStyle = paint;
                pen.beginPath();
                for (let x = 0, next = 1; x < columns; x = next, next = x + 1) {
                    if (highs[x] === -Infinity) continue;
                    while (next < columns && edge[next] === edge[x] && highs[next] !== -Infinity) next++;
                    pen.rect(LEFT + x / ratio, y(edge[x]), (next - x) / ratio, y(0) - y(edge[x]));
                }
                pen.fill();
            }
        }

        line(pen, item, columns, ratio, y, paint) {
            let before = NaN;
            reduce(item, this.from, this.to, columns);
            pen.strokeStyle = paint;
            pen.lineWidth = 1.5;
            pen.lineJoin = "round";
            pen.beginPath();
            for (let x = 0; x < columns; x++) {
                if (highs[x] === -Infinity && (before = NaN) !== 0) continue;
                const at = LEFT + (x + 0.5) / ratio, high = y(highs[x]), low = y(lows[x]);
                const down = Math.abs(before - high) <= Math.abs(before - low);
                if (before !== before) pen.moveTo(at - 0.5 / ratio, high);
                pen.lineTo(at, down ? high : low);
                before = down ? low : high;
                if (high !== low) pen.lineTo(at, before);
            }
            pen.stroke();
        }

        rule(pen, x1, y1, x2, y2, paint, dash) {
            pen.strokeStyle = paint;
            pen.lineWidth = 1.5;
            pen.setLineDash(dash);
            pen.beginPath();
            pen.moveTo(x1, y1);
            pen.lineTo(x2, y2);
            pen.stroke();
            pen.setLineDash([]);
        }

        axes(pen, spec, color, {most, y, x, width, bottom}) {
            const step = niceStep(most, 3.5, spec.binary), span = this.to - this.from;
            pen.fillStyle = color("soft");
            pen.textAlign = "right";
            for (let value = 0; value <= most; value += step) {
                pen.fillText(spec.format(value), LEFT - 6, y(value) + 4);
                pen.fillRect(LEFT, Math.round(y(value)), width, value ? 0.3 : 1);
            }
            const each = TIME_STEPS.find((one) => span / one <= width / 70) || span;
            pen.textAlign = "center";
            for (let time = Math.ceil(this.from / each - 1e-9) * each; time <= this.to + 1e-9; time += each) {
                const at = Math.min(Math.max(x(time), LEFT + 8), LEFT + width - 12);
                pen.fillText(clock(time, each), at, bottom + 15);
                pen.fillRect(Math.round(x(time)), bottom, 1, 4);
            }
        }
    }

    /* Of a stack, what the item adds to the one below it. */
    function value(item, row, format) {
        const below = item.below ? item.below.hi[row] : 0;
        const high = item.hi[row] - (below > 0 ? below : 0);
        const low = item.below ? high : item.lo[row];
        return low < high && format(low) !== format(high) ? format(low) + " \u2013 " + format(high) : format(high);
    }

    return {group: (host, specs, options) => new Group(host, specs, options), value, firstAfter};
})();
