// The text, coloured by a unit: canvases behind a <pre> of all letters. Knows what report.py packs, and no network.
"use strict";

(async () => {
  const PAD = 8, LINE = 20, SMALL = 13, TILE = 600, MAP_ROWS = 96, ON_MATCHES = 20;
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  if (!("DecompressionStream" in window)) {
    $("about").textContent = "This browser cannot unpack the text (it has no DecompressionStream): take a newer one.";
    return;
  }

  async function unpacked(blob, Kind) {
    const bytes = Uint8Array.from(atob(blob), (one) => one.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Kind(await new Response(stream).arrayBuffer());
  }

  const ids = await unpacked(data.text, Uint32Array);
  const count = ids.length;
  const values = await unpacked(data.values, Uint8Array); // [units, count], 0 ... levels
  const guesses = data.guesses ? await unpacked(data.guesses, Uint32Array) : null; // [count, best]
  const chances = data.chances ? await unpacked(data.chances, Uint8Array) : null;
  const units = data.units;
  let unit = 0, guessing = false;

  // what a letter looks like: one that ends a line, or that nobody sees, has a sign
  const signs = { "\n": "\u21b5", "\t": "\u2192", "\r": "\u240d" };
  const word = data.letters.some((one) => [...one.replace(/\n$/, "")].length > 1), between = data.between;
  const looks = data.letters.map((one) => {
    const seen = [...one].map((c) => signs[c] ?? (/[\p{Cc}\p{Cf}\p{Cs}\p{M}]/u.test(c) ? "\u00b7" : c)).join("");
    return word ? (seen || "\u00b7") + " " : seen || "\u00b7";
  });
  const told = (id) => (data.letters[id] === " " ? "space" : looks[id].trim() || "space");

  // colours: red, white, blue
  const colours = Array.from({ length: data.levels + 1 }, (_, level) => {
    const share = (2 * level) / data.levels - 1;
    const [r, g, b] = share < 0 ? [209, 36, 47] : [31, 111, 235];
    const mix = (one) => Math.round(255 + (one - 255) * Math.abs(share) * 0.85);
    return [mix(r), mix(g), mix(b)];
  });
  const painted = colours.map(([r, g, b]) => `rgb(${r},${g},${b})`);
  const words32 = new Uint32Array(colours.map(([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0));

  // the layout: rows that fit, each letter as wide as the font makes it
  const view = $("view"), letters = $("letters"), tiles = $("tiles"), map = $("map");
  const font = () => { const s = getComputedStyle(letters); return `${s.fontSize} ${s.fontFamily}`; };
  const pen = document.createElement("canvas").getContext("2d");
  let widths, rows, offsets, x; // rows: the first symbol of each; offsets: where each symbol stands in the <pre>

  function lay() {
    pen.font = font();
    widths = looks.map((one) => pen.measureText(one).width);
    const room = Math.max(120, view.clientWidth - 2 * PAD - 4);
    rows = [0];
    x = new Float32Array(count);
    offsets = new Uint32Array(count + 1);
    const parts = [];
    let at = 0, offset = 0;
    for (let i = 0; i < count; i++) {
      if (at + widths[ids[i]] > room && at > 0) {
        rows.push(i); parts.push("\n"); offset++; at = 0;
      }
      x[i] = at; offsets[i] = offset;
      parts.push(looks[ids[i]]);
      offset += looks[ids[i]].length;
      at += widths[ids[i]];
      if (data.letters[ids[i]].endsWith("\n") && i + 1 < count) {
        rows.push(i + 1); parts.push("\n"); offset++; at = 0;
      }
    }
    offsets[count] = offset;
    letters.textContent = parts.join("");
    space();
  }

  const rowHeight = () => (guessing ? LINE + data.best * SMALL + 6 : LINE);
  function space() {
    // letters stand in the first 20 pixels of a row, guesses below
    letters.style.lineHeight = `${rowHeight()}px`;
    letters.style.top = guessing ? `${-(rowHeight() - LINE) / 2}px` : "0";
    letters.style.marginBottom = guessing ? `${-(rowHeight() - LINE)}px` : "0";
    tiles.style.height = `${rows.length * rowHeight()}px`;
    for (const one of drawn.values()) one.remove();
    drawn.clear();
    show();
  }

  const rowOf = (i) => {
    let low = 0, high = rows.length - 1;
    while (low < high) { const middle = (low + high + 1) >> 1; if (rows[middle] <= i) low = middle; else high = middle - 1; }
    return low;
  };
  const endOf = (row) => (row + 1 < rows.length ? rows[row + 1] : count);

  // tiles: canvases of some rows each, behind the letters, wherever one looks
  const drawn = new Map();
  const perTile = () => Math.max(1, Math.floor(TILE / rowHeight()));
  function wanted() {
    const tall = perTile() * rowHeight(), last = Math.ceil((rows.length * rowHeight()) / tall) - 1;
    const from = Math.max(0, Math.floor(view.scrollTop / tall) - 1);
    return [from, Math.min(last, Math.floor((view.scrollTop + view.clientHeight) / tall) + 1)];
  }
  function show() {
    const [from, to] = wanted();
    for (const [number, one] of drawn) if (number < from || number > to) { one.remove(); drawn.delete(number); }
    for (let number = from; number <= to; number++) if (!drawn.has(number)) {
      const one = document.createElement("canvas");
      one.style.top = `${number * perTile() * rowHeight()}px`;
      tiles.append(one);
      drawn.set(number, one);
      draw(number, one);
    }
  }
  function draw(number, canvas) {
    const sharp = window.devicePixelRatio || 1, tall = rowHeight();
    const first = number * perTile(), last = Math.min(rows.length, first + perTile());
    const wide = view.clientWidth, high = (last - first) * tall;
    canvas.width = Math.round(wide * sharp); canvas.height = Math.round(high * sharp);
    canvas.style.width = `${wide}px`; canvas.style.height = `${high}px`;
    const ctx = canvas.getContext("2d", { alpha: false });
    ctx.scale(sharp, sharp);
    ctx.fillStyle = "#fff"; ctx.fillRect(0, 0, wide, high);
    const start = unit * count;
    for (let row = first; row < last; row++) {
      const top = (row - first) * tall, end = endOf(row);
      for (let i = rows[row]; i < end; ) { // symbols of one colour at once
        const level = values[start + i];
        let j = i + 1;
        while (j < end && values[start + j] === level) j++;
        ctx.fillStyle = painted[level];
        ctx.fillRect(PAD + x[i], top, x[j - 1] + widths[ids[j - 1]] - x[i] + 0.3, LINE - 1);
        i = j;
      }
      if (guessing) drawGuesses(ctx, row, top + LINE);
    }
  }
  function drawGuesses(ctx, row, top) {
    ctx.font = font().replace(/^[\d.]+px/, "11px");
    for (let i = rows[row]; i < endOf(row); i++) for (let k = 0; k < data.best; k++) {
      const chance = chances[i * data.best + k];
      if (chance < 3) break;
      ctx.fillStyle = `rgba(217,119,6,${(0.75 * chance) / 255})`;
      ctx.fillRect(PAD + x[i], top + k * SMALL, widths[ids[i]], SMALL);
      ctx.fillStyle = "#1f2328";
      ctx.fillText(looks[guesses[i * data.best + k]], PAD + x[i] + 1, top + k * SMALL + 10);
    }
  }
  function drawMap() {
    const columns = Math.max(1, Math.ceil(count / MAP_ROWS)); // column by column, so that places run from left to right
    map.width = columns; map.height = Math.min(MAP_ROWS, count);
    const image = map.getContext("2d").createImageData(map.width, map.height);
    const pixels = new Uint32Array(image.data.buffer), start = unit * count;
    for (let i = 0; i < count; i++) pixels[(i % map.height) * columns + Math.floor(i / map.height)] = words32[values[start + i]];
    map.getContext("2d").putImageData(image, 0, 0);
  }
  function recolour() {
    for (const [number, one] of drawn) draw(number, one);
    drawMap();
  }

  // what is said of a unit
  const escaped = (text) => text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);
  const visible = (text) => escaped([...text].map((c) => signs[c] ?? c).join(""));
  function context(place, before, at, after, length = 1) {
    const item = document.createElement("li"), button = document.createElement("button");
    button.className = "context";
    button.innerHTML = `${visible(before)}<b>${visible(at)}</b>${visible(after)}`;
    button.onclick = () => go(place, length);
    item.append(button);
    return item;
  }
  const spelled = (from, to) => Array.from(ids.subarray(Math.max(0, from), Math.min(count, to)), (id) => data.letters[id]).join(between);
  function choose(number) {
    unit = (number + units.length) % units.length;
    const one = units[unit];
    $("unit").value = unit;
    $("low").textContent = `\u2212${one.largest}`; $("high").textContent = `+${one.largest}`;
    const signed = (value, digits) => `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(digits)}`;
    const follows = one.what ? ` tells best: ${one.what} (${signed(one.score, 2)}; 1 would be exactly)` : "";
    const worth = one.worth === undefined ? "" : `; held at its mean: ${signed(one.worth, 4)} \u00b1 ${one.error.toFixed(4)} nats per ${data.step}`;
    $("about").textContent = one.name + follows + worth;
    $("where").textContent = one.lowest ? "Where this unit is lowest" : "Where this unit is highest";
    $("peaks").replaceChildren(...one.peaks.map((peak) => context(...peak)));
    recolour();
  }

  // going to a place
  function go(i, length = 1) {
    const row = rowOf(i);
    view.scrollTop = Math.max(0, row * rowHeight() - view.clientHeight / 2);
    show();
    const range = document.createRange(), node = letters.firstChild;
    range.setStart(node, offsets[i]); range.setEnd(node, offsets[Math.min(count, i + length)]);
    getSelection().removeAllRanges(); getSelection().addRange(range);
  }
  function under(event) {
    const box = view.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top - view.clientTop + view.scrollTop) / rowHeight());
    if (row < 0 || row >= rows.length) return -1;
    const at = event.clientX - box.left - view.clientLeft + view.scrollLeft - PAD;
    for (let i = rows[row]; i < endOf(row); i++) if (at >= x[i] && at < x[i] + widths[ids[i]]) return i;
    return -1;
  }
  function tell(i) {
    if (i < 0) return;
    const level = values[unit * count + i], share = (2 * level) / data.levels - 1;
    const about = level === 0 ? "\u2264" : level === data.levels ? "\u2265" : "\u2248"; // (what is beyond has the full colour)
    let text = `${data.step} ${(i + 1).toLocaleString("en")} ${told(ids[i])}  ${units[unit].name} ${about} ${(share * units[unit].largest).toFixed(2)}`;
    if (guesses) {
      const next = Array.from({ length: data.best }, (_, k) => `${told(guesses[i * data.best + k])} ${Math.round((100 * chances[i * data.best + k]) / 255)}%`);
      text += `  next: ${next.join("  ")}`;
    }
    $("told").textContent = text;
  }

  // a phrase -> the units that are on in it -> where else they are on together (Strobelt et al. 2018, LSTMVis)
  function thresholds(share) { // the level above which so much of a unit's values do not lie
    return units.map((_, number) => {
      const histogram = new Uint32Array(data.levels + 1);
      for (let i = number * count; i < (number + 1) * count; i++) histogram[values[i]]++;
      let level = 0;
      for (let below = histogram[0]; below < share * count && level < data.levels; below += histogram[++level]);
      return level;
    });
  }
  let limits = thresholds(0.8), phrase = null;
  function selection() {
    const chosen = getSelection();
    if (!chosen.rangeCount || chosen.isCollapsed || chosen.anchorNode !== letters.firstChild || chosen.focusNode !== letters.firstChild) return null;
    const symbolAt = (offset) => {
      let low = 0, high = count;
      while (low < high) { const middle = (low + high) >> 1; if (offsets[middle] < offset) low = middle + 1; else high = middle; }
      return low;
    };
    const [a, b] = [chosen.anchorOffset, chosen.focusOffset].sort((one, other) => one - other).map(symbolAt);
    return b > a ? [a, b] : null;
  }
  function match() {
    if (!phrase) return;
    const [from, to] = phrase;
    const all = units.map((_, number) => number);
    const on = all.filter((number) => { for (let i = from; i < to; i++) if (values[number * count + i] <= limits[number]) return false; return true; });
    $("selected").textContent = `\u201c${spelled(from, Math.min(to, from + 60)).replace(/\n/g, "\u21b5")}\u201d: ${on.length} of ${units.length} units`;
    $("on").replaceChildren(...on.map((number) => {
      const item = document.createElement("li"), button = document.createElement("button");
      button.className = "context"; button.textContent = `${units[number].name} ${units[number].what}`;
      button.onclick = () => choose(number);
      item.append(button);
      return item;
    }));
    const runs = [];
    for (let i = 0, start = -1; on.length && i <= count; i++) {
      const is = i < count && on.every((number) => values[number * count + i] > limits[number]);
      if (is && start < 0) start = i;
      if (!is && start >= 0) { if (i - start >= (to - from) / 2 && (i <= from || start >= to)) runs.push([start, i]); start = -1; }
    }
    const close = (one) => Math.abs(one[1] - one[0] - (to - from));
    runs.sort((one, other) => close(one) - close(other));
    $("elsewhere").replaceChildren(...runs.slice(0, ON_MATCHES).map(([a, b]) => context(a, spelled(a - 20, a) + between, spelled(a, Math.min(b, a + 60)), between + spelled(b, b + 10), b - a)));
    if (!runs.length) $("elsewhere").textContent = on.length ? "nowhere" : "";
  }

  // wiring
  $("unit").append(...units.map((one, number) => {
    const option = document.createElement("option");
    option.value = number;
    option.textContent = one.what ? `${one.name}  ${one.what} ${one.score > 0 ? "+" : "\u2212"}${Math.abs(one.score).toFixed(2)}` : one.name;
    return option;
  }));
  $("unit").onchange = (event) => choose(Number(event.target.value));
  $("before").onclick = () => choose(unit - 1);
  $("after").onclick = () => choose(unit + 1);
  if (guesses) $("guessing").onchange = (event) => {
    const top = Math.floor(view.scrollTop / rowHeight());
    guessing = event.target.checked;
    space();
    view.scrollTop = top * rowHeight();
  };
  else for (const one of [$("guessing").parentElement, document.querySelector(".expects")]) one.hidden = true;
  $("least").oninput = (event) => { $("share").textContent = event.target.value; limits = thresholds(event.target.value / 100); match(); };
  view.addEventListener("scroll", () => requestAnimationFrame(show), { passive: true });
  view.addEventListener("mousemove", (event) => tell(under(event)));
  view.addEventListener("click", (event) => tell(under(event)));
  map.addEventListener("click", (event) => {
    const box = map.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * map.width);
    go(Math.min(count - 1, column * map.height + Math.floor(((event.clientY - box.top) / box.height) * map.height)));
  });
  document.addEventListener("selectionchange", () => { const now = selection(); if (now) { phrase = now; match(); } });
  let wide = view.clientWidth;
  new ResizeObserver(() => { if (view.clientWidth !== wide) { wide = view.clientWidth; lay(); } }).observe(view);
  lay();
  choose(0);
  window.reader = { choose, recolour, count, units: units.length }; // for those who measure
})();
