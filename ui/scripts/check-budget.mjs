// What a person downloads: the shell within 200 kB, any further page within 300 kB more (gzip).
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const SHELL_KB = 200
const ROUTE_KB = 300
const out = new URL('../../src/demeter/app/static/', import.meta.url)
const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', out), 'utf8'))
const sizes = new Map()

function size(file) {
  if (!sizes.has(file)) sizes.set(file, gzipSync(readFileSync(new URL(file, out))).length / 1024)
  return sizes.get(file)
}

function files(key, seen = new Set()) {
  const chunk = manifest[key]
  seen.add(chunk.file)
  for (const style of chunk.css ?? []) seen.add(style)
  for (const next of chunk.imports ?? []) if (!seen.has(manifest[next].file)) files(next, seen)
  return seen
}

const total = (list) => [...list].reduce((sum, file) => sum + size(file), 0)
const shell = files('index.html')
let failed = total(shell) > SHELL_KB
console.log(`shell ${total(shell).toFixed(0)} kB (at most ${SHELL_KB})`)
for (const [key, chunk] of Object.entries(manifest)) {
  if (!chunk.isDynamicEntry) continue
  const more = total([...files(key)].filter((file) => !shell.has(file)))
  failed ||= more > ROUTE_KB
  console.log(`${key} +${more.toFixed(0)} kB (at most ${ROUTE_KB})`)
}
process.exit(failed ? 1 : 0)
