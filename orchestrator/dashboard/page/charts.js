// One chart: lines over policy steps, with marks of what happened and a line under the pointer that
// all charts share. The drawing is Chart.js's.
import {figure} from './dom.js';

const variable = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const faint = (color, percent) => `${color}${Math.round(percent * 2.55).toString(16).padStart(2, '0')}`;

const kSeries = 6;
// Colours are given to runs in the order in which they are first drawn, and kept.
const colors = new Map();
export function colorOf(name) {
  if (!colors.has(name)) colors.set(name, colors.size % kSeries);
  return variable(`--series-${colors.get(name)}`);
}

const charts = new Set();
let pointed = null;

export const kGlyphs = {altered: '◆', forked: '▽', paused: '‖', checkpoint: '▪'};

// Vertical lines: marks of the selected run, and the step that is pointed at in any chart.
const marking = {
  id: 'marking',
  beforeDatasetsDraw(chart) {
    const {ctx, chartArea: area, scales: {x}} = chart;
    if (!area) return;
    ctx.save();
    const taken = new Set();  // one mark of a kind at a pixel
    for (const mark of chart.marks || []) {
      const at = Math.round(x.getPixelForValue(mark.x)) + 0.5;
      if (at < area.left || at > area.right || taken.has(mark.kind + at)) continue;
      taken.add(mark.kind + at);
      const short = mark.kind === 'checkpoint';
      ctx.strokeStyle = faint(variable(short ? '--muted' : '--accent'), short ? 70 : 55);
      ctx.setLineDash(mark.kind === 'altered' || short ? [] : [3, 3]);
      ctx.beginPath();
      ctx.moveTo(at, short ? area.bottom - 5 : area.top);
      ctx.lineTo(at, area.bottom);
      ctx.stroke();
      if (!short) {
        ctx.fillStyle = variable('--accent');
        ctx.font = '10px sans-serif';
        ctx.textAlign = 'center';
        ctx.fillText(kGlyphs[mark.kind], at, area.top - 3);
      }
    }
    ctx.restore();
  },
  afterDatasetsDraw(chart) {
    const {ctx, chartArea: area, scales: {x}} = chart;
    if (pointed === null || !area) return;
    const at = Math.round(x.getPixelForValue(pointed)) + 0.5;
    if (at < area.left || at > area.right) return;
    ctx.save();
    ctx.strokeStyle = variable('--muted');
    ctx.setLineDash([2, 2]);
    ctx.beginPath();
    ctx.moveTo(at, area.top);
    ctx.lineTo(at, area.bottom);
    ctx.stroke();
    ctx.restore();
  },
  afterEvent(chart, {event}) {
    const next = event.type === 'mouseout' || !chart.tooltip?.dataPoints?.length ? null :
      chart.tooltip.dataPoints[0].parsed.x;
    if (next === pointed) return;
    pointed = next;
    for (const other of charts) if (other !== chart) other.draw();
  },
};

function options({stacked, zero, unit}) {
  const grid = {color: variable('--grid'), drawTicks: false, borderColor: variable('--border')};
  const ticks = {color: variable('--muted'), padding: 6, font: {size: 11}};
  return {
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    parsing: false,
    normalized: true,
    layout: {padding: {top: 10, right: 6}},
    interaction: {mode: 'nearest', axis: 'x', intersect: false},
    elements: {point: {radius: 0, hitRadius: 6, hoverRadius: 3}, line: {borderWidth: 1.6}},
    scales: {
      x: {type: 'linear', bounds: 'data', grid: {...grid, display: false},
        ticks: {...ticks, maxTicksLimit: 8, precision: 0, maxRotation: 0, includeBounds: false,
          callback: (value, i, all) => (i > 1 && i === all.length - 1 &&
            value - all[i - 1].value < 0.7 * (all[i - 1].value - all[i - 2].value) ? '' : value)}},
      y: {stacked, grid, beginAtZero: stacked || zero, grace: unit ? 0 : '6%',
        min: unit ? 0 : undefined, max: unit ? 1 : undefined,
        ticks: {...ticks, maxTicksLimit: 5, callback: (value) => figure(value)}},
    },
    plugins: {
      legend: {display: false},
      decimation: {enabled: true, algorithm: 'lttb', samples: 400, threshold: 1200},
      tooltip: {
        backgroundColor: variable('--tip'), titleColor: variable('--tip-text'),
        bodyColor: variable('--tip-text'), padding: 8, displayColors: true, boxWidth: 8,
        boxHeight: 8, boxPadding: 4, caretSize: 0, cornerRadius: 6, titleFont: {size: 11},
        bodyFont: {size: 11},
        filter: (item) => !item.dataset.band,
        callbacks: {
          title: (items) => (items.length ? `step ${items[0].parsed.x}` : ''),
          label: (item) => ` ${item.dataset.label}  ${figure(item.parsed.y)}`,
          labelColor: (item) => ({borderColor: item.dataset.borderColor,
            backgroundColor: item.dataset.borderColor}),
        },
      },
    },
  };
}

export class LineChart {
  // look: {stacked, zero: the axis has 0, unit: the axis is [0, 1]}
  constructor(canvas, look) {
    this.canvas = canvas;
    this.look = look;
    this.build();
  }
  build() {
    this.chart?.destroy();
    charts.delete(this.chart);
    // eslint-disable-next-line no-undef
    this.chart = new Chart(this.canvas, {type: 'line', data: {datasets: []},
      options: options(this.look), plugins: [marking]});
    charts.add(this.chart);
  }
  // series: [{label, color, points, low, high, dots}], low and high: a band around the line.
  show(series, marks) {
    const datasets = [];
    for (const one of series) {
      datasets.push({label: one.label, data: one.points,
        borderColor: one.faint ? faint(one.color, 28) : one.color,
        backgroundColor: one.fill ? faint(one.color, 55) : one.color, pointRadius: one.dots ? (one.points.length > 60 ? 1.5 : 3) : 0,
        fill: one.fill || false, borderWidth: one.strong === false ? 1.3 : 1.8, band: one.faint,
        pointHoverRadius: one.faint ? 0 : 3});
      if (one.low) {
        datasets.push({label: one.label, data: one.low, band: true, borderWidth: 0, fill: false,
          pointHitRadius: 0, pointHoverRadius: 0});
        datasets.push({label: one.label, data: one.high, band: true, borderWidth: 0, fill: '-1',
          backgroundColor: faint(one.color, 14), pointHitRadius: 0, pointHoverRadius: 0});
      }
    }
    this.chart.data.datasets = datasets;
    const steps = series.flatMap(({points}) => (points.length ? [points[0].x] : []));
    const last = Math.max(...series.map(({points}) => points[points.length - 1]?.x ?? 0));
    const first = Math.min(...steps);  // the axis begins at 0 where that costs little of its length
    this.chart.options.scales.x.min = first < last / 4 ? 0 : undefined;
    this.chart.marks = marks;
    this.chart.update('none');
  }
  destroy() {
    charts.delete(this.chart);
    this.chart.destroy();
  }
}
