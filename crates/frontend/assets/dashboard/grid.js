// Where each place's cell is on the canvas. Pure.

/** Above this number of places, a table shows what cells cannot. */
export const MOST = 4096;

/**
 * @param {number} width in CSS pixels
 * @param {number} places
 */
export function grid(width, places) {
  const pitch = places <= 24 ? 34 : places <= 96 ? 24 : places <= 1200 ? 15 : 10;
  const gap = pitch >= 24 ? 5 : pitch >= 15 ? 3 : 2;
  const columns = Math.max(1, Math.floor((width + gap) / pitch));
  const rows = Math.max(1, Math.ceil(places / columns));
  return {
    pitch,
    gap,
    side: pitch - gap,
    columns,
    rows,
    width: columns * pitch - gap,
    height: rows * pitch - gap,
    /** @param {number} slot */
    at: (slot) => ({ x: (slot % columns) * pitch, y: Math.floor(slot / columns) * pitch }),
    /**
     * @param {number} x
     * @param {number} y
     */
    slotAt: (x, y) => {
      const [column, row] = [Math.floor(x / pitch), Math.floor(y / pitch)];
      const slot = row * columns + column;
      return column >= 0 && column < columns && slot >= 0 && slot < places ? slot : undefined;
    },
  };
}

/**
 * Returns the part of a cell that the bar of a job fills: 10 ms is nothing, ten minutes are all, on a log scale.
 * @param {number} ms
 */
export function fill(ms) {
  return Math.min(1, Math.max(0.08, Math.log10(Math.max(ms, 10) / 10) / Math.log10(60_000)));
}
