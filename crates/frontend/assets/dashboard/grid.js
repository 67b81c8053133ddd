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
  // Room for the frame around a cell at the edge.
  const edge = Math.floor(gap / 2);
  const columns = Math.max(1, Math.min(places, Math.floor((width - 2 * edge + gap) / pitch)));
  const rows = Math.max(1, Math.ceil(places / columns));
  return {
    pitch,
    gap,
    edge,
    side: pitch - gap,
    columns,
    rows,
    width: columns * pitch - gap + 2 * edge,
    height: rows * pitch - gap + 2 * edge,
    /** @param {number} slot */
    at: (slot) => ({
      x: edge + (slot % columns) * pitch,
      y: edge + Math.floor(slot / columns) * pitch,
    }),
    /**
     * @param {number} x
     * @param {number} y
     */
    slotAt: (x, y) => {
      const [column, row] = [Math.floor((x - edge) / pitch), Math.floor((y - edge) / pitch)];
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
