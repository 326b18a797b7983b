// Tells the test's process how a page gets on.

const tell = (path, body) => fetch(path, { method: 'POST', body });
let told_all = Promise.resolve();

globalThis.say = line => {
  told_all = told_all.then(() => tell('/say', line));
};
globalThis.ask = what => tell(`/${what}`, '').then(response => response.text());

const end = outcome => {
  told_all = told_all.then(() => tell('/done', outcome));
};

// A panic ends a task of the program, and nobody waits for it.
addEventListener('error', event => end(String(event.message)));
addEventListener('unhandledrejection', event => end(String(event.reason?.stack ?? event.reason)));

/** Runs what the page is for, and tells how that ended. */
export async function told(work) {
  try {
    await work(Object.fromEntries(new URL(location.href).searchParams));
    end('');
  } catch (error) {
    end(String(error?.stack ?? error));
  }
}
