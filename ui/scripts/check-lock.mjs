// The lock file may name no registry address and no package that runs a script when it is installed.
import { readFileSync } from 'node:fs'

const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'))
const wrong = []
for (const [name, entry] of Object.entries(lock.packages)) {
  if (name === '') continue
  if (entry.hasInstallScript) wrong.push(`${name} has an install script`)
  if (entry.resolved) wrong.push(`${name} names an address: ${entry.resolved}`)
  if (!entry.integrity && !entry.inBundle) wrong.push(`${name} has no hash`)
}
if (wrong.length > 0) {
  console.error(wrong.join('\n'))
  process.exit(1)
}
console.log(`lock file: ${Object.keys(lock.packages).length - 1} packages, all with hashes, no addresses, no install scripts`)
