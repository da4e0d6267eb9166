"use strict";
// What is folded and belongs on paper, for browsers that the style sheet cannot tell to show it.
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("details.printed:not([open])")];
  for (const part of unfolded) part.open = true;
});
addEventListener("afterprint", () => {
  for (const part of unfolded) part.open = false;
});

(async () => {
  // Without these the pictures stay, which show the same.
  if (!("DecompressionStream" in window)) return;

  const unpacked = async (id) => {
    const letters = atob(document.getElementById(id).textContent.trim());
    const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };

  const [library, text] = await Promise.all([unpacked("library"), unpacked("figures")]);
  const figures = JSON.parse(text);
  const script = document.createElement("script");
  script.textContent = library;
  document.head.append(script);
  if (!window.Plotly) return;
  document.body.classList.add("interactive");

  const config = {
    displaylogo: false,
    responsive: true,
    showLink: false,
    showEditInChartStudio: false,
    showSendToCloud: false,
    plotlyServerURL: "",
    topojsonURL: "",
    displayModeBar: innerWidth < 640 ? false : "hover",
    modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d", "toggleSpikelines"],
  };

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const themed = (layout) => {
    const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line") };
    return {
      ...layout,
      autosize: true,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("--ink") },
      hoverlabel: { align: "left" },
      ...(layout.xaxis && { xaxis: { ...layout.xaxis, ...axis } }),
      ...(layout.yaxis && { yaxis: { ...layout.yaxis, ...axis } }),
    };
  };

  const hasGl = Boolean(document.createElement("canvas").getContext("webgl"));

  const draw = async (plot) => {
    const figure = figures[plot.dataset.figure];
    if (!figure) return;
    const key = [...plot.querySelectorAll("select")].map((menu) => menu.value).join("-");
    const { data, layout } = figure.figures[key];
    if (!hasGl && data.some((trace) => trace.type === "parcoords")) return;
    const place = plot.querySelector(".live");
    plot.classList.add("drawn");
    try {
      await Plotly.react(place, data, themed(layout), config);
    } catch (error) {
      plot.classList.remove("drawn");
      console.error(error);
    }
  };

  const plots = [...document.querySelectorAll(".plot")];
  const drawn = new Set();
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting || drawn.has(target)) continue;
      drawn.add(target);
      draw(target);
    }
  }, { rootMargin: "600px" });
  for (const plot of plots) {
    for (const menu of plot.querySelectorAll("select")) menu.addEventListener("change", () => draw(plot));
    seen.observe(plot);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(draw));
})();
