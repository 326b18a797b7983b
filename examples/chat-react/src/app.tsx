import { type FormEvent, useEffect, useRef, useState } from 'react';
import type { Identity } from 'spacetime-client';
import { useReducer, useSpacetimeDB, useTable } from 'spacetime-client/react';

import { reducers, tables } from './module_bindings';

/** No page shows more messages than this; the older ones are still here. */
const SHOWN_MAX = 200;

/** What a user is called who has no name yet. */
const shortName = (identity: Identity): string => identity.toHexString().slice(-8);

export function App() {
  const { identity, isActive } = useSpacetimeDB();
  const [users, haveUsers] = useTable(tables.user);
  const [messages] = useTable(tables.message);
  const names = new Map(users.map(user => [user.identity.toHexString(), user.name]));
  const nameOf = (who: Identity): string => names.get(who.toHexString()) ?? shortName(who);
  const online = users.filter(user => user.online);
  const inOrder = messages.toSorted((a, b) =>
    Number(a.sent.microsSinceUnixEpoch - b.sent.microsSinceUnixEpoch)
  );
  const shown = inOrder.slice(-SHOWN_MAX);
  return (
    <div className="chat">
      <header>
        <h1>Chat</h1>
        {identity && haveUsers && <NameForm key={nameOf(identity)} name={nameOf(identity)} />}
        <span className={isActive ? 'state on' : 'state'}>
          {isActive ? 'connected' : 'connecting'}
        </span>
      </header>
      <Messages count={inOrder.length}>
        {shown.map(({ sender, sent, text }) => (
          <li
            key={`${sender.toHexString()} ${sent.microsSinceUnixEpoch}`}
            className={identity && sender.isEqual(identity) ? 'mine' : ''}
          >
            <div className="who">
              {nameOf(sender)}, {sent.toDate().toLocaleTimeString()}
            </div>
            <span className="text">{text}</span>
          </li>
        ))}
      </Messages>
      <aside className="people">
        <h2>{online.length} here</h2>
        <ul>
          {online.map(user => (
            <li key={user.identity.toHexString()}>{nameOf(user.identity)}</li>
          ))}
        </ul>
      </aside>
      <MessageForm />
    </div>
  );
}

/** The list of messages; it shows the last one when another comes. */
function Messages({ count, children }: { count: number; children: React.ReactNode }) {
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    list.current?.scrollTo({ top: list.current.scrollHeight });
  }, [count]);
  return (
    <ul className="messages" ref={list}>
      {children}
    </ul>
  );
}

function NameForm({ name }: { name: string }) {
  const setName = useReducer(reducers.setName);
  const [text, setText] = useState(name);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void setName({ name: text });
  };
  return (
    <form onSubmit={submit}>
      <input
        aria-label="Your name"
        value={text}
        size={18}
        onChange={event => setText(event.target.value)}
      />
    </form>
  );
}

function MessageForm() {
  const sendMessage = useReducer(reducers.sendMessage);
  const [text, setText] = useState('');
  const [error, setError] = useState('');
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    sendMessage({ text }).then(
      () => {
        setText('');
        setError('');
      },
      (failure: Error) => setError(failure.message)
    );
  };
  return (
    <form className="write" onSubmit={submit}>
      <input
        aria-label="Message"
        placeholder="Say something"
        value={text}
        onChange={event => setText(event.target.value)}
      />
      {error !== '' && <span className="error">{error}</span>}
      <button>Send</button>
    </form>
  );
}
