// A chart over time, drawn by uPlot, which is fetched when the first one is shown. What it shows can also be read as a sentence.

import { html, useEffect, useRef, useState } from './preact.js';
import { span } from './format.js';

let fetched = null;

function fetchPlotter() {
  fetched ??= new Promise((resolve, reject) => {
    const style = Object.assign(document.createElement('link'), { rel: 'stylesheet', href: '/console/uplot.css' });
    const script = Object.assign(document.createElement('script'), { src: '/console/uplot.js', onload: () => resolve(globalThis.uPlot), onerror: reject });
    document.head.append(style, script);
  });
  return fetched;
}

const colourOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function options({ lines, unit, width }) {
  const [ink, grid] = [colourOf('--ink-3'), colourOf('--line')];
  const value = (n) => (n == null ? '' : unit === 'ms' ? span(n) : n < 10 ? n.toFixed(1) : Math.round(n));
  const axis = { stroke: ink, font: '12px system-ui', grid: { stroke: grid, width: 1 }, ticks: { show: false } };
  return {
    width,
    height: 220,
    padding: [14, 30, 0, 0],
    cursor: { points: { size: 7 }, y: false },
    legend: { live: true },
    scales: { y: { range: (_, __, most) => [0, Math.max(most * 1.15, unit === 'ms' ? 10 : 1)] } },
    axes: [
      { ...axis, grid: { show: false }, gap: 9, space: 100, values: (_, ticks) => ticks.map((at) => new Date(at * 1000).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: ticks[1] - ticks[0] < 60 ? '2-digit' : undefined })) },
      { ...axis, size: 62, values: (_, ticks) => ticks.map((n) => (unit === 'ms' ? span(n) : n)) },
    ],
    series: [
      { value: (_, at) => (at == null ? '' : new Date(at * 1000).toLocaleTimeString()) },
      ...lines.map((line) => ({
        label: line.label, stroke: colourOf(line.colour), width: 2, spanGaps: true, value: (_, n) => value(n),
        fill: line.fill ? `${colourOf(line.colour)}22` : undefined,
        points: { show: line.values.filter((n) => n != null).length < 3, size: 5 },
      })),
    ],
  };
}

function useTheme() {
  const [theme, set] = useState(document.documentElement.dataset.theme);
  useEffect(() => {
    const watch = new MutationObserver(() => set(document.documentElement.dataset.theme));
    watch.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    return () => watch.disconnect();
  }, []);
  return theme;
}

export function Chart({ label, at, lines, unit }) {
  const place = useRef(null);
  const plot = useRef(null);
  const theme = useTheme();
  const data = [at, ...lines.map((line) => line.values)];
  useEffect(() => {
    let gone = false;
    let watch = null;
    fetchPlotter().then((Plotter) => {
      if (gone || !place.current) return;
      plot.current = new Plotter(options({ lines, unit, width: place.current.clientWidth }), data, place.current);
      watch = new ResizeObserver(([{ contentRect }]) => plot.current?.setSize({ width: Math.max(200, contentRect.width), height: 220 }));
      watch.observe(place.current);
    });
    return () => {
      gone = true;
      watch?.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [theme]);
  useEffect(() => plot.current?.setData(data), [at.at(-1), at.length, lines]);
  const sentence = lines.map((line) => `${line.label}: ${line.values.findLast((n) => n != null) ?? 'nothing'}`).join(', ');
  return html`<figure class="chart" role="img" aria-label=${`${label}. Latest: ${sentence}`}><div ref=${place} /></figure>`;
}
