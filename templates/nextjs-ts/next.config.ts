import type { NextConfig } from 'next';

const config: NextConfig = {
  // Sockets of the server: taken from node_modules as they are, not bundled.
  serverExternalPackages: ['undici'],
};

export default config;
