import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
  // One React, also if the client is linked from a folder that has one of its own.
  resolve: { dedupe: ['react', 'react-dom'] },
  // The module's build writes below its own folder; the page has nothing to do with it.
  server: { watch: { ignored: ['**/spacetimedb/**'] } },
});
