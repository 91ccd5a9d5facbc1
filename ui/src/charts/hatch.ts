const SIZE = 7

/** A diagonal hatch in a colour, as a canvas pattern in device pixels: the look of "missing" everywhere. */
export function hatch(context: CanvasRenderingContext2D, colour: string): CanvasPattern | null {
  const scale = window.devicePixelRatio || 1
  const tile = document.createElement('canvas')
  tile.width = tile.height = Math.round(SIZE * scale)
  const pen = tile.getContext('2d')
  if (!pen) return null
  const side = tile.width
  pen.strokeStyle = colour
  pen.lineWidth = 1.3 * scale
  pen.beginPath()
  for (const shift of [-side, 0, side]) {
    pen.moveTo(shift - 1, side + 1)
    pen.lineTo(shift + side + 1, -1)
  }
  pen.stroke()
  return context.createPattern(tile, 'repeat')
}
