import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [svelte()],
  // The module's build writes below its own folder; the page has nothing to do with it.
  server: { watch: { ignored: ['**/spacetimedb/**'] } },
});
