/** Lines over time: a large one that shows values below the pointer, and small ones for tables. */
import uPlot from '../../vendor/uplot/uPlot.esm.js';
import { createRef, effect, html, view } from '../component.js';
import { rate as asRate } from '../format.js';
import { theme } from '../theme.js';

const HEIGHT = 180;
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });

/** What a variable's colour is at the moment: a canvas does not know variables. */
function colour(name) {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/**
 * @param {{label: string, times: number[], series: Array<{label: string, colour: string, values: number[], dash?: boolean}>, format?: (value: number) => string, height?: number}} props
 *   `times` in s, ascending; `colour`: a variable's name, as `--ready`
 */
export const Chart = view(({ label, times, series, format = asRate, height = HEIGHT }, self) => {
  const box = self.keep('box', createRef);
  const held = self.keep('held', () => ({ plot: null, data: null, dispose() { this.plot?.destroy(); } }));
  held.data = [times, ...series.map((one) => one.values)];
  held.plot?.setData(held.data);
  self.onMount('plot', () => {
    const stop = effect(() => {
      theme.value;
      held.plot?.destroy();
      held.plot = new uPlot(options(self.props, format, height, box.current.clientWidth), held.data, box.current);
    });
    const watcher = new ResizeObserver(() => held.plot?.setSize({ width: Math.max(120, box.current.clientWidth), height }));
    watcher.observe(box.current);
    return () => { stop(); watcher.disconnect(); };
  });
  const newest = series.map((one) => `${one.label} ${format(one.values.at(-1) ?? 0)}`).join(', ');
  return html`<figure class="chart">
    <figcaption class="chart-legend">${series.map((one) => html`<span key=${one.label}><i class="chart-key ${one.dash ? 'dash' : ''}" style=${{ borderColor: `var(${one.colour})` }}></i>${one.label}
      <b>${format(one.values.at(-1) ?? 0)}</b></span>`)}</figcaption>
    <div class="chart-box" ref=${box} role="img" aria-label="${label}: ${newest}" style=${{ height: `${height}px` }}></div>
  </figure>`;
}, 'Chart');

function options({ series }, format, height, width) {
  const lines = colour('--line');
  const axis = { stroke: colour('--text-quiet'), grid: { stroke: lines, width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
  return {
    width: Math.max(120, width), height, padding: [8, 28, 0, 0], legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    scales: { x: { time: false }, y: { range: (_, min, max) => [0, Math.max(1, max * 1.15)] } },
    axes: [
      { ...axis, space: 90, values: (_, ticks) => ticks.map((tick) => clock.format(tick * 1000)), size: 28 },
      { ...axis, space: 36, size: (_, values) => 16 + 7 * Math.max(2, ...(values ?? []).map((value) => value.length)), values: (_, ticks) => ticks.map((tick) => format(tick)) },
    ],
    series: [{}, ...series.map((one) => ({
      label: one.label, stroke: colour(one.colour), width: 2, dash: one.dash ? [5, 4] : undefined, points: { show: false },
    }))],
    hooks: { setCursor: [showValues(series, format)] },
  };
}

/** The values below the pointer, in a box beside it. */
function showValues(series, format) {
  let tip = null;
  return (plot) => {
    tip ??= plot.over.appendChild(Object.assign(document.createElement('div'), { className: 'chart-tip' }));
    const { idx, left } = plot.cursor;
    tip.hidden = idx === null || idx === undefined || left < 0;
    if (tip.hidden) return;
    tip.replaceChildren(...[clock.format(plot.data[0][idx] * 1000), ...series.map((one, i) => `${one.label} ${format(plot.data[i + 1][idx] ?? 0)}`)]
      .map((text) => Object.assign(document.createElement('div'), { textContent: text })));
    const room = plot.over.clientWidth;
    tip.style.left = `${left > room / 2 ? left - tip.offsetWidth - 12 : left + 12}px`;
  };
}

/** A small line; `values` oldest first. Says nothing to screen readers: the number stands beside it. */
export function Sparkline({ values, width = 72, height = 20, tone = 'accent' }) {
  if (!values || values.length < 2) return html`<svg class="sparkline" width=${width} height=${height} aria-hidden="true"></svg>`;
  const top = Math.max(...values, 1);
  const x = (i) => ((i * (width - 2)) / (values.length - 1) + 1).toFixed(1);
  const y = (value) => (height - 2 - (value / top) * (height - 4)).toFixed(1);
  const line = values.map((value, i) => `${i ? 'L' : 'M'}${x(i)} ${y(value)}`).join('');
  return html`<svg class="sparkline tone-${tone}" width=${width} height=${height} viewBox="0 0 ${width} ${height}" aria-hidden="true">
    <path class="sparkline-area" d="${line}L${x(values.length - 1)} ${height}L1 ${height}Z" /><path class="sparkline-line" d=${line} /></svg>`;
}
