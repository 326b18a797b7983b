import { defineConfig } from 'vite';

export default defineConfig({
  // The module's build writes below its own folder; the page has nothing to do with it.
  server: { watch: { ignored: ['**/spacetimedb/**'] } },
});
