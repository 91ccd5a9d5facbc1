import { cpSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const outDir = here('../src/demeter/app/static')

/** Puts the API documentation's viewer beside the build, so that /api/docs needs nothing from another host. */
function swaggerViewer(): Plugin {
  return {
    name: 'demeter-swagger-viewer',
    apply: 'build',
    closeBundle() {
      mkdirSync(`${outDir}/swagger`, { recursive: true })
      for (const file of ['swagger-ui-bundle.js', 'swagger-ui.css', 'LICENSE']) {
        cpSync(here(`node_modules/swagger-ui-dist/${file}`), `${outDir}/swagger/${file}`)
      }
    },
  }
}

export default defineConfig({
  plugins: [react(), swaggerViewer()],
  resolve: { alias: { '@': here('src') } },
  build: {
    outDir,
    emptyOutDir: true,
    manifest: true,
    // Small files stay files: the page's security policy need not allow data: addresses for scripts and fonts.
    assetsInlineLimit: 0,
    target: 'es2022',
    chunkSizeWarningLimit: 800,
  },
  server: { proxy: { '/api': process.env.DEMETER_URL ?? 'http://127.0.0.1:8080' } },
})
