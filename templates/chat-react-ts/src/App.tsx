// The room: who is there, what was said, and two forms.

import { type FormEvent, useState } from 'react';
import { useReducer, useSpacetimeDB, useTable } from 'spacetimedb/react';

import { reducers, tables } from './module_bindings';
import type { User } from './module_bindings/types';

/** The page shows no more messages than this; all of them are in the table. */
const SHOWN_MAX = 200;

export function App() {
  const { isActive, identity } = useSpacetimeDB();
  const [users] = useTable(tables.user);
  const [messages] = useTable(tables.message);
  const setName = useReducer(reducers.setName);
  const sendMessage = useReducer(reducers.sendMessage);
  const [refusal, setRefusal] = useState('');

  if (!isActive || identity === undefined) return <main>connecting</main>;

  const byIdentity = new Map(users.map(user => [user.identity.toHexString(), user]));
  const me = byIdentity.get(identity.toHexString());
  const sender = (message: (typeof messages)[number]) => {
    const user = byIdentity.get(message.sender.toHexString());
    return user === undefined ? 'somebody' : nameOf(user);
  };
  const inOrder = [...messages].sort((a, b) =>
    Number(a.sent.microsSinceUnixEpoch - b.sent.microsSinceUnixEpoch)
  );
  const settle = (call: Promise<unknown>) => {
    call.then(() => setRefusal('')).catch(error => setRefusal(String(error.message ?? error)));
  };

  return (
    <main>
      <h1>Chat</h1>
      <p>
        You are {me === undefined ? 'nobody yet' : nameOf(me)}.{' '}
        {users.filter(user => user.online).length} online:{' '}
        {users
          .filter(user => user.online)
          .map(nameOf)
          .join(', ')}
      </p>
      <Line label="Name" action="Rename" onText={name => settle(setName({ name }))} />
      <ul style={{ listStyle: 'none', padding: 0 }}>
        {inOrder.slice(-SHOWN_MAX).map((message, position) => (
          <li key={position}>
            <time dateTime={message.sent.toDate().toISOString()}>
              {message.sent.toDate().toLocaleTimeString()}
            </time>{' '}
            <b>{sender(message)}</b>: {message.text}
          </li>
        ))}
      </ul>
      <Line label="Message" action="Send" onText={text => settle(sendMessage({ text }))} />
      {refusal !== '' && <p role="alert">{refusal}</p>}
    </main>
  );
}

function Line(props: { label: string; action: string; onText: (text: string) => void }) {
  const [text, setText] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    props.onText(text);
    setText('');
  };
  return (
    <form onSubmit={submit}>
      <input
        aria-label={props.label}
        placeholder={props.label}
        value={text}
        onChange={event => setText(event.target.value)}
      />
      <button>{props.action}</button>
    </form>
  );
}

function nameOf(user: User): string {
  return user.name ?? user.identity.toHexString().substring(4, 12);
}
