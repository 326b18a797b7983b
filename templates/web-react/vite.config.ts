import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
  // The module's build writes below its own folder; the page has nothing to do with it.
  server: { watch: { ignored: ['**/spacetimedb/**'] } },
});
