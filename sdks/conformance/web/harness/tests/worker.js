// The program in a worker.

globalThis.say = line => postMessage(line);
addEventListener('unhandledrejection', event => {
  throw event.reason;
});

const { default: init, worker } = await import('/page.js');
await init();
await worker(new URL(location.href).searchParams.get('server'));
postMessage('done');
