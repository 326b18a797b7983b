// Made on the server for each visit, with the people of that moment; in the browser it goes on live.

import { fetchPeople } from '../src/server_snapshot';
import { People } from './People';

export const dynamic = 'force-dynamic';

export default async function Page() {
  // Without a snapshot the page is still a page: the browser gets the people itself.
  const people = await fetchPeople().catch(error => {
    console.error('no snapshot of the database:', error);
    return undefined;
  });
  return <People snapshot={people} />;
}
