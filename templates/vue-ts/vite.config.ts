import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [vue()],
  // The module's build writes below its own folder; the page has nothing to do with it.
  server: { watch: { ignored: ['**/spacetimedb/**'] } },
});
