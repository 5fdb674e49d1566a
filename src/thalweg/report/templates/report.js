(function () {
  "use strict";
  const dark = matchMedia("(prefers-color-scheme: dark)"), touch = matchMedia("(pointer: coarse)");
  const figures = new Map();

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  }

  // Colours are names of the style sheet, "$blue", so that the charts change with the page.
  function coloured(value) {
    if (typeof value === "string") return value[0] === "$" ? colour(value.slice(1)) || value : value;
    if (Array.isArray(value)) return typeof value.at(-1) === "number" ? value : value.map(coloured);
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, coloured(v)]));
    return value;
  }

  function draw(id) {
    const { data, layout, hidden, scales } = figures.get(id), line = colour("line");
    const axis = { gridcolor: line, zerolinecolor: line, linecolor: line };
    const traces = data.map((trace) => Object.assign(coloured(trace), { visible: !hidden.has(trace.legendgroup) }));
    const themed = Object.assign({}, layout, {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: colour("ink"), family: "system-ui, sans-serif" },
      hoverlabel: { bgcolor: colour("card"), bordercolor: line, font: { color: colour("ink") } },
      dragmode: touch.matches ? false : "zoom",  // a finger scrolls the page
      xaxis: Object.assign({}, layout.xaxis, axis, scales.xaxis), yaxis: Object.assign({}, layout.yaxis, axis, scales.yaxis),
    });
    Plotly.react(id, traces, themed, { responsive: true, displayModeBar: false });
  }

  function pressed(button, on) {
    button.setAttribute("aria-pressed", String(on));
    return on;
  }

  function press(button) {
    const figure = figures.get(button.dataset.for), on = pressed(button, button.getAttribute("aria-pressed") !== "true");
    if (button.dataset.axis) figure.scales[button.dataset.axis] = { type: on ? "log" : "linear", dtick: null };
    else if (on) figure.hidden.delete(button.dataset.name);
    else figure.hidden.add(button.dataset.name);
    draw(button.dataset.for);
  }

  function words(value) {
    return typeof value === "number" ? String(Number(value.toPrecision(5))) : String(value);
  }

  function within(index, count) {
    return Math.min(Math.max(index, 0), count - 1);
  }

  // What is at a point of a line, or in a cell of a map: where, for plotly.js, and in words.
  function onLine(figure, [row, column]) {
    const lines = figure.data.filter((trace) => trace.x.length && !figure.hidden.has(trace.legendgroup));
    if (!lines.length) return null;
    const line = within(row, lines.length), trace = lines[line], point = within(column, trace.x.length);
    const more = trace.text ? " (" + trace.text[point] + ")" : "";
    const y = trace.y[point] === null ? "none" : words(trace.y[point]);
    return { at: [line, point], trace, place: { pointNumber: point }, says: trace.name + ": " + words(trace.x[point]) + ", " + y + more };
  }

  function onMap(figure, [row, column]) {
    const trace = figure.data[0], at = [within(row, trace.y.length), within(column, trace.x.length)];
    const x = at[1], y = trace.y.length - 1 - at[0];  // rows are drawn from the bottom up
    const kind = trace.meta[trace.z[y][x] - trace.zmin];
    return { at, trace, place: { xval: x, yval: y }, says: trace.y[y] + ", " + trace.x[x] + ": " + kind };
  }

  // Arrow keys walk along the points of a line, or over the cells of a map, and say what is there.
  function walk(event, id) {
    const figure = figures.get(id), find = figure.data[0].type === "heatmap" ? onMap : onLine;
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const found = step && find(figure, [figure.at[0] + step[0], figure.at[1] + step[1]]);
    if (!found) return;
    event.preventDefault();
    figure.at = found.at;
    Plotly.Fx.hover(id, [{ curveNumber: figure.data.indexOf(found.trace), ...found.place }]);
    document.getElementById(id + "-reading").textContent = found.says;
  }

  for (const spec of document.querySelectorAll("script[data-chart]")) {
    const id = spec.dataset.chart;
    figures.set(id, Object.assign(JSON.parse(spec.textContent), { hidden: new Set(), scales: {}, at: [0, -1] }));
    draw(id);
    document.getElementById(id).addEventListener("keydown", (event) => walk(event, id));
  }
  for (const button of document.querySelectorAll("button[data-for]")) button.addEventListener("click", () => press(button));
  dark.addEventListener("change", () => figures.forEach((_, id) => draw(id)));
})();
