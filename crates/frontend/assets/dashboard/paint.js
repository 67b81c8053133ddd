// Draws one cell. Its state is told by its shape as well as by its colour.

import { fill } from './grid.js';

/**
 * @typedef {{letter: string, died: number, since: number | undefined, isOld: boolean, isDim: boolean}} Cell
 * `died` goes from 1 to 0 while the place shows that a worker died there.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {number} side
 * @param {Cell} cell
 * @param {Record<string, string>} colour
 */
export function paint(context, x, y, side, cell, colour) {
  context.globalAlpha = cell.isDim ? 0.15 : 1;
  const radius = Math.max(1.5, side / 5);
  const box = (inset = 0) => {
    context.beginPath();
    context.roundRect(x + inset, y + inset, side - 2 * inset, side - 2 * inset, Math.max(1, radius - inset));
  };
  const stroke = (name, width = Math.max(1, side / 12)) => {
    context.strokeStyle = colour[name];
    context.lineWidth = width;
    box(width / 2);
    context.stroke();
  };
  switch (cell.letter) {
    case 'b':
      context.fillStyle = colour.busy;
      box();
      context.fill();
      if (cell.since !== undefined) {
        const height = Math.max(1, (side - 2) * fill(cell.since));
        context.fillStyle = colour['busy-bar'];
        context.save();
        box();
        context.clip();
        context.fillRect(x, y + side - height, side, height);
        context.restore();
      }
      break;
    case 'i':
      stroke('idle');
      break;
    case 's':
      stroke('starting');
      context.fillStyle = colour.starting;
      context.beginPath();
      context.arc(x + side / 2, y + side / 2, Math.max(1.2, side / 7), 0, 7);
      context.fill();
      break;
    case 'x':
      context.fillStyle = colour.stopping;
      box();
      context.fill();
      context.fillStyle = colour.panel;
      context.fillRect(x + side * 0.25, y + side * 0.43, side * 0.5, Math.max(1, side * 0.14));
      break;
    case 'r':
      stroke('retiring');
      line(
        context,
        x + side * 0.25,
        y + side * 0.75,
        x + side * 0.75,
        y + side * 0.25,
        colour.retiring,
        side / 10,
      );
      break;
    default:
      context.fillStyle = colour.empty;
      context.beginPath();
      context.arc(x + side / 2, y + side / 2, Math.max(1, side / 10), 0, 7);
      context.fill();
  }
  if (cell.isOld && cell.letter !== '.') {
    context.fillStyle = colour.muted;
    context.beginPath();
    context.moveTo(x + side, y);
    context.lineTo(x + side, y + side * 0.4);
    context.lineTo(x + side * 0.6, y);
    context.fill();
  }
  if (cell.died > 0) {
    context.globalAlpha *= 0.25 + 0.75 * cell.died;
    const width = Math.max(1.5, side / 7);
    // The cross is seen on every ground.
    line(
      context,
      x + side * 0.25,
      y + side * 0.25,
      x + side * 0.75,
      y + side * 0.75,
      colour.panel,
      width * 2,
    );
    line(
      context,
      x + side * 0.75,
      y + side * 0.25,
      x + side * 0.25,
      y + side * 0.75,
      colour.panel,
      width * 2,
    );
    stroke('death', width);
    line(context, x + side * 0.25, y + side * 0.25, x + side * 0.75, y + side * 0.75, colour.death, width);
    line(context, x + side * 0.75, y + side * 0.25, x + side * 0.25, y + side * 0.75, colour.death, width);
  }
  context.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} fromX
 * @param {number} fromY
 * @param {number} toX
 * @param {number} toY
 * @param {string} colour
 * @param {number} width
 */
export function line(context, fromX, fromY, toX, toY, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = Math.max(1, width);
  context.beginPath();
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
  context.stroke();
}
