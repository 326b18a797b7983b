import type { Metadata } from 'next';
import type { ReactNode } from 'react';

import '../src/style.css';
import { Providers } from './providers';

export const metadata: Metadata = { title: 'my-db', icons: 'data:,' };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <Providers>{children}</Providers>
      </body>
    </html>
  );
}
