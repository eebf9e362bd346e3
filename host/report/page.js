"use strict";
// Builds the controls of each figure that has wavefronts, in place of its
// picture. The data are described at type wave of package report.
for (const figure of document.querySelectorAll("[data-wavefronts]")) {
  const wave = JSON.parse(figure.dataset.wavefronts);
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const colours = bytes(wave.colours);
  const maps = wave.directions.map((d) => d.values.map(bytes));
  const notFinite = "#e8103c";
  const cell = Math.max(8, Math.floor(720 / Math.max(wave.rows, wave.cols)));

  const make = (tag, parent, props) => parent.appendChild(Object.assign(document.createElement(tag), props));
  const canvas = document.createElement("canvas");
  canvas.width = wave.cols * cell;
  canvas.height = wave.rows * cell;
  canvas.setAttribute("role", "img");
  figure.querySelector("img").replaceWith(canvas);

  const controls = make("div", figure, { className: "controls" });
  const row = make("div", controls, {});
  const play = make("button", row, { type: "button", textContent: "Play" });
  const slider = make("input", row, { type: "range", step: 1 });
  slider.setAttribute("aria-label", "Wavefront");
  const choices = make("div", controls, {});
  const choice = (label, names) => {
    const select = document.createElement("select");
    select.setAttribute("aria-label", label);
    names.forEach((name, i) => select.add(new Option(name, i)));
    if (names.length > 1) choices.appendChild(select);
    return select;
  };
  const direction = choice("Direction", wave.directions.map((d) => "direction " + d.name));
  const map = choice("Shown", wave.maps);
  const status = make("output", controls, {});
  const ramp = make("div", controls, { className: "ramp" });
  const low = make("span", ramp, {});
  const bar = make("canvas", ramp, { width: 256, height: 1 });
  const high = make("span", ramp, {});
  bar.setAttribute("aria-hidden", "true");

  const colour = (v) => (v === 255 ? notFinite : `rgb(${colours[3 * v]} ${colours[3 * v + 1]} ${colours[3 * v + 2]})`);
  const shade = bar.getContext("2d");
  for (let i = 0; i < 256; i++) {
    shade.fillStyle = colour(Math.min(i, 254));
    shade.fillRect(i, 0, 1, 1);
  }

  // front is the wavefront that a cell belongs to.
  const front = (d, r, c) => d.offset + d.row * r + d.col * c;

  // draw shows the cells up to the slider's wavefront.
  const draw = () => {
    const d = wave.directions[direction.value];
    const values = maps[direction.value][map.value];
    const now = Number(slider.value);
    const style = getComputedStyle(figure);
    const ctx = canvas.getContext("2d");
    ctx.fillStyle = style.getPropertyValue("--raised");
    ctx.fillRect(0, 0, canvas.width, canvas.height);
    let current = 0;
    for (let r = 0; r < wave.rows; r++) {
      for (let c = 0; c < wave.cols; c++) {
        const at = front(d, r, c);
        if (at <= now) {
          ctx.fillStyle = colour(values[r * wave.cols + c]);
          ctx.fillRect(c * cell, r * cell, cell, cell);
        } else {
          ctx.strokeStyle = style.getPropertyValue("--rule");
          ctx.lineWidth = 1;
          ctx.strokeRect(c * cell + 0.5, r * cell + 0.5, cell - 1, cell - 1);
        }
        if (at === now) current++;
      }
    }
    // The outlines last, in white with black around it, which shows on any colour.
    const line = Math.max(1, Math.round(cell / 16));
    for (let r = 0; r < wave.rows; r++) {
      for (let c = 0; c < wave.cols; c++) {
        if (front(d, r, c) !== now) continue;
        [["#000", 1], ["#fff", 3]].forEach(([ink, inset]) => {
          ctx.strokeStyle = ink;
          ctx.lineWidth = line;
          ctx.strokeRect(c * cell + (inset * line) / 2, r * cell + (inset * line) / 2, cell - inset * line, cell - inset * line);
        });
      }
    }
    const text = `wavefront ${now} of ${slider.min} … ${slider.max}: ${current} ${current === 1 ? "cell" : "cells"} at once`;
    status.textContent = text;
    slider.setAttribute("aria-valuetext", text);
    canvas.setAttribute("aria-label", `${wave.maps[map.value]}, direction ${d.name}: ${text}`);
    [low.textContent, high.textContent] = wave.ranges[map.value];
  };

  // bounds sets the wavefronts that the shown cells belong to.
  const bounds = () => {
    const d = wave.directions[direction.value];
    const corners = [0, wave.rows - 1].flatMap((r) => [0, wave.cols - 1].map((c) => front(d, r, c)));
    slider.min = Math.min(...corners);
    slider.max = Math.max(...corners);
  };

  // It plays only when asked to, whatever motion the reader prefers.
  let timer = 0;
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  };
  play.addEventListener("click", () => {
    if (timer) return stop();
    if (slider.value === slider.max) slider.value = slider.min;
    play.textContent = "Pause";
    draw();
    timer = setInterval(() => {
      if (slider.value === slider.max) return stop();
      slider.value = Number(slider.value) + 1;
      draw();
    }, Math.min(400, Math.max(60, 5000 / (slider.max - slider.min + 1))));
  });
  slider.addEventListener("input", () => {
    stop();
    draw();
  });
  direction.addEventListener("change", () => {
    stop();
    bounds();
    slider.value = slider.max;
    draw();
  });
  map.addEventListener("change", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  bounds();
  slider.value = slider.max;
  draw();
}
