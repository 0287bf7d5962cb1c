// Moves the thresholds of a contact sheet: decides anew, and draws the anomaly maps anew.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const palette = bytes(data.palette);
  const of = (id) => document.getElementById(id);
  const short = (value) => String(Number(value.toPrecision(4)));
  const names = Object.keys(data.thresholds);
  const given = Object.fromEntries(names.map((name) => [name, data.thresholds[name].value]));
  const current = { ...given };

  const cards = [...document.querySelectorAll(".sheet > li")].map((item, place) => ({
    item,
    place,
    score: Number(item.dataset.score),
    name: item.querySelector(".name").textContent,
    decision: item.querySelector(".decision"),
    marks: item.querySelector(".marked"),
    told: item.querySelector(".marked")?.cloneNode(true),
    was: item.className,
    mask: item.querySelector(".marked a")?.getAttribute("href"),
    canvas: item.querySelector("canvas"),
    low: Number(item.dataset.low),
    high: Number(item.dataset.high),
    cells: item.dataset.map && bytes(item.dataset.map),
    share: 0,
  }));
  const scores = data.scores ? new Float32Array(bytes(data.scores).buffer) : cards.map((card) => card.score);

  // The detector compares in float32.
  const reaches = (score, threshold) => Math.fround(score) >= Math.fround(threshold);

  // Cells hold the greatest value in them, rounded up to a level: a cell counts if that may reach the threshold.
  const leastLevel = (card) => {
    if (card.high === card.low) return reaches(card.low, current.pixel) ? 0 : 256;
    return Math.ceil(((current.pixel - card.low) / (card.high - card.low)) * 255 - 1e-6);
  };

  const small = document.createElement("canvas");
  small.width = small.height = data.side || 1;
  const draw = (card, isAnomalous) => {
    const side = data.side, pixels = new ImageData(side, side);
    const brightest = Math.max(data.brightest * current.pixel, 1e-38), least = leastLevel(card);
    const isMarked = (row, column) => isAnomalous && card.cells[row * side + column] >= least;
    let marked = 0;
    card.cells.forEach((level, cell) => {
      const value = card.low + (level / 255) * (card.high - card.low);
      const heat = Math.floor(255 * Math.min(1, Math.max(0, value / brightest)));
      pixels.data.set(palette.subarray(4 * heat, 4 * heat + 4), 4 * cell);
      marked += level >= least;
    });
    card.share = marked / card.cells.length;
    small.getContext("2d").putImageData(pixels, 0, 0);
    const { width, height } = card.canvas, context = card.canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    context.drawImage(small, 0, 0, width, height);
    context.beginPath();
    const wide = width / side, high = height / side;
    for (let row = 0; row < side; row += 1) {
      for (let column = 0; column < side; column += 1) {
        if (!isMarked(row, column)) continue;
        const [x, y] = [column * wide, row * high];
        const line = (...ends) => { context.moveTo(ends[0], ends[1]); context.lineTo(ends[2], ends[3]); };
        if (row > 0 && !isMarked(row - 1, column)) line(x, y, x + wide, y);
        if (row < side - 1 && !isMarked(row + 1, column)) line(x, y + high, x + wide, y + high);
        if (column > 0 && !isMarked(row, column - 1)) line(x, y, x, y + high);
        if (column < side - 1 && !isMarked(row, column + 1)) line(x + wide, y, x + wide, y + high);
      }
    }
    context.strokeStyle = "rgb(0, 229, 255)";
    context.lineWidth = 2;
    context.stroke();
  };

  const isAsPredicted = () => names.every((name) => current[name] === given[name]);

  const tell = (card, isAnomalous) => {
    card.item.className = isAnomalous ? "anomalous" : "normal";
    card.decision.textContent = card.item.className;
    if (!card.marks) return;
    card.marks.replaceChildren();
    if (isAsPredicted()) {
      card.marks.append(...card.told.cloneNode(true).childNodes);
    } else if (isAnomalous && card.cells) {
      const percent = Number((100 * card.share).toPrecision(2));
      card.marks.append(card.share ? `; marked: at most ${percent} %` : "; marked: nothing");
    }
  };

  const words = () => names
    .filter((name) => current[name] !== given[name] || data.thresholds[name].rule === data.byHand)
    .map((name) => `${data.flags[name]}=${current[name]}`);

  const tellAll = () => {
    const anomalous = scores.reduce((sum, score) => sum + reaches(score, current.image), 0);
    const here = cards.filter((card) => card.item.className === "anomalous").length;
    const all = scores.length === data.total;
    if (all) of("anomalous").textContent = anomalous.toLocaleString("en");
    const whole = all ? `${anomalous} of ${data.total} images are anomalous` : `On this page ${here} of ${cards.length} images are anomalous`;
    of("told").textContent = all && data.total > cards.length ? `${whole}, ${here} of them on this page.` : `${whole}.`;
    of("command").textContent = [data.command, ...words()].filter(Boolean).join(" ");
    for (const name of names) {
      document.querySelectorAll(`[data-of="${name}"]`).forEach((place) => { place.textContent = short(current[name]); });
      const origin = document.querySelector(`[data-origin="${name}"]`);
      origin.dataset.given ??= origin.textContent;
      origin.textContent = current[name] === given[name] ? origin.dataset.given : "moved here, by hand";
    }
    document.querySelectorAll('[data-of="brightest"]').forEach((place) => { place.textContent = short(data.brightest * current.pixel); });
  };

  // Sliders: a thousand places between the least value and the greatest.
  const value = (name, place) => {
    const { low, high } = data.thresholds[name];
    return Number((low + (place / 1000) * (high - low)).toPrecision(4));
  };
  const place = (name) => {
    const { low, high } = data.thresholds[name];
    return (1000 * (current[name] - low)) / (high - low);
  };
  const histogram = (name, values) => {
    const { low, high } = data.thresholds[name], bins = new Array(50).fill(0);
    values.forEach((one) => { bins[Math.min(49, Math.floor((50 * (one - low)) / (high - low)))] += 1; });
    const most = Math.max(...bins);
    of(`${name}-histogram`).replaceChildren(...bins.map((count, bin) => {
      const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      const tall = count ? Math.max(1, (20 * count) / most) : 0;
      Object.entries({ x: 2 * bin, y: 20 - tall, width: 1.8, height: tall }).forEach(([key, one]) => bar.setAttribute(key, one));
      return bar;
    }));
  };
  const colour = (name) => {
    const { low, high } = data.thresholds[name];
    [...of(`${name}-histogram`).children].forEach((bar, bin) => {
      bar.setAttribute("class", low + ((bin + 0.5) / 50) * (high - low) >= current[name] ? "above" : "below");
    });
  };

  const orders = {
    highest: (a, b) => a.place - b.place,
    lowest: (a, b) => b.place - a.place,
    nearest: (a, b) => Math.abs(a.score - current.image) - Math.abs(b.score - current.image),
    marked: (a, b) => b.share - a.share || a.place - b.place,
    name: (a, b) => a.name.localeCompare(b.name, "en", { numeric: true }),
  };
  const arrange = () => {
    const show = document.querySelector('input[name="show"]:checked').value;
    cards.forEach((card) => { card.item.hidden = show !== "all" && card.item.className !== show; });
    const shown = cards.filter((card) => !card.item.hidden).length;
    of("nothing").hidden = shown > 0 || show === "unread";
    of("nothing").textContent = `No image on this page is ${show}.`;
    const errors = of("errors");
    if (errors) errors.hidden = show === "anomalous" || show === "normal";
    else if (show === "unread") { of("nothing").hidden = false; of("nothing").textContent = "All images could be read and drawn."; }
    const sheet = document.querySelector(".sheet");
    sheet.append(...[...cards].sort(orders[of("order").value]).map((card) => card.item));
  };

  const renew = () => {
    for (const card of cards) {
      const isAnomalous = reaches(card.score, current.image);
      if (card.canvas) draw(card, isAnomalous);
      tell(card, isAnomalous);
    }
    names.forEach(colour);
    tellAll();
    const address = isAsPredicted() ? "" : `#${names.map((name) => `${name}=${current[name]}`).join("&")}`;
    document.querySelectorAll("nav a").forEach((link) => { link.hash = address; });
    try { history.replaceState(null, "", location.href.split("#")[0] + address); } catch { /* a page within another has no address */ }
  };

  let isDue = false;
  const soon = () => {
    if (isDue) return;
    isDue = true;
    setTimeout(() => { isDue = false; renew(); });
  };
  const move = (name, to) => {
    current[name] = to;
    if (of(`${name}-value`).valueAsNumber !== to) of(`${name}-value`).value = to;
    of(name).value = place(name);
    of(name).setAttribute("aria-valuetext", short(to));
    soon();
  };

  for (const name of names) {
    of(name).addEventListener("input", () => move(name, value(name, Number(of(name).value))));
    of(name).addEventListener("change", arrange);
    of(`${name}-value`).addEventListener("input", (event) => {
      if (Number.isFinite(event.target.valueAsNumber)) move(name, event.target.valueAsNumber);
    });
    of(`${name}-value`).addEventListener("change", arrange);
  }
  of("order").addEventListener("change", arrange);
  document.querySelectorAll('input[name="show"]').forEach((choice) => choice.addEventListener("change", arrange));
  of("reset").addEventListener("click", () => { names.forEach((name) => move(name, given[name])); renew(); arrange(); });
  of("controls").addEventListener("submit", (event) => event.preventDefault());
  of("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(of("command").textContent);
      of("copy").textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(of("command"));
      of("copy").textContent = document.execCommand("copy") ? "Copied" : "Selected: copy it";
    }
    setTimeout(() => { of("copy").textContent = "Copy threshold"; }, 2000);
  });

  const asked = new URLSearchParams(location.hash.slice(1));
  histogram("image", scores);
  histogram("pixel", cards.filter((card) => card.cells).map((card) => card.high));
  names.forEach((name) => {
    const number = Number(asked.get(name) ?? NaN);
    move(name, Number.isFinite(number) ? number : given[name]);
  });
  of("controls").hidden = false;
  renew();
  arrange();
})();
