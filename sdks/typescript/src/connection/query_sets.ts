// The query sets of a connection, from the request to their end, and what becomes of them when the
// connection is made again.
//
// While the sets of a new connection get their rows, the tables that the user sees stay as they
// were. When no set is awaited any more, they are exchanged.

import BinaryReader from '../bsatn/reader.js';
import { SubscriptionError } from '../errors.js';
import { callUser, stdbLogger } from '../logger.js';
import { Context, type DbContext } from './contexts.js';
import { type Message, type TableRows, writeSubscribe, writeUnsubscribe } from './protocol.js';
import type { UntypedRemoteModule } from './remote_module.js';
import type { RowChanges, SubscribedRows } from './row_changes.js';
import type { SubscriptionHandleImpl } from './subscriptions.js';

/** What the sets need of their connection. */
export type SetsHost<Module extends UntypedRemoteModule> = {
  connection: DbContext<Module>;
  nextEventId(): string;
  nextRequestId(): number;
  /** False if there is nowhere to send to. */
  send(message: Message): boolean;
  /** The tables have been exchanged. */
  exchanged(): void;
};

const EMPTY_READER = new BinaryReader(new Uint8Array(0));

export class QuerySets<Module extends UntypedRemoteModule> {
  /** All sets that have not ended, by their ids. */
  readonly #sets = new Map<number, SubscriptionHandleImpl<Module>>();
  #lastSetId = 0;
  /** The sets whose rows are awaited before tables are exchanged; whom to tell then. */
  #awaited = new Set<number>();
  #appliedAgain: SubscriptionHandleImpl<Module>[] = [];

  constructor(
    private readonly host: SetsHost<Module>,
    private readonly rows: SubscribedRows
  ) {}

  add(handle: SubscriptionHandleImpl<Module>): void {
    this.#lastSetId += 1;
    handle.querySetId = this.#lastSetId;
    this.#sets.set(handle.querySetId, handle);
    this.#subscribe(handle);
  }

  #subscribe({ querySetId, queries }: SubscriptionHandleImpl<Module>): void {
    this.host.send(writeSubscribe(this.host.nextRequestId(), querySetId, queries));
  }

  remove(handle: SubscriptionHandleImpl<Module>): void {
    handle.state = 'leaving';
    const { querySetId } = handle;
    if (!this.host.send(writeUnsubscribe(this.host.nextRequestId(), querySetId))) {
      // Nobody has to be asked; but callbacks do not run inside of the call.
      queueMicrotask(() => this.unsubscribed(querySetId));
    }
  }

  /** Asks for everything on a new connection. If it is not the first, tables are filled anew. */
  subscribeAll(again: boolean): void {
    if (again) {
      this.rows.beginAgain();
      this.#awaited = new Set(this.#sets.keys());
      this.#appliedAgain = [];
    }
    for (const handle of this.#sets.values()) {
      this.#subscribe(handle);
    }
  }

  /** The connection is lost: who wanted to leave has left. */
  connectionLost(): void {
    this.rows.abandon();
    for (const handle of [...this.#sets.values()]) {
      if (handle.state === 'leaving') {
        this.unsubscribed(handle.querySetId);
      }
    }
  }

  #context(event?: unknown): Context<Module> {
    return new Context<Module>(this.host.connection, event);
  }

  #eventContext(event: object): Context<Module> {
    return this.#context({ id: this.host.nextEventId(), ...event });
  }

  applied(set: number, tables: readonly TableRows[], reader: BinaryReader): void {
    const handle = this.#sets.get(set);
    if (handle === undefined) {
      return;
    }
    const changes = this.rows.insert(reader, set, tables);
    if (this.rows.isBeginningAgain) {
      this.#appliedAgain.push(handle);
      this.#noLongerAwaited(set);
      return;
    }
    this.#tellApplied(handle);
    changes.report(this.#eventContext({ tag: 'SubscribeApplied' }));
  }

  #tellApplied(handle: SubscriptionHandleImpl<Module>): void {
    if (handle.state !== 'pending') {
      return;
    }
    handle.state = 'applied';
    for (const callback of handle.onApplied) {
      callUser(callback, 'onApplied', this.#context());
    }
  }

  #noLongerAwaited(set: number): void {
    this.#awaited.delete(set);
    this.exchangeWhenComplete();
  }

  exchangeWhenComplete(): void {
    const { isActive } = this.host.connection;
    if (!this.rows.isBeginningAgain || 0 < this.#awaited.size || !isActive) {
      return;
    }
    const changes = this.rows.exchange();
    const handles = this.#appliedAgain;
    this.#appliedAgain = [];
    for (const handle of handles) {
      this.#tellApplied(handle);
    }
    changes.report(this.#eventContext({ tag: 'SubscribeApplied' }));
    this.host.exchanged();
  }

  #drop(handle: SubscriptionHandleImpl<Module>): RowChanges {
    handle.state = 'ended';
    this.#sets.delete(handle.querySetId);
    return this.rows.dropSet(EMPTY_READER, handle.querySetId);
  }

  unsubscribed(set: number): void {
    const handle = this.#sets.get(set);
    if (handle === undefined) {
      return;
    }
    const changes = this.#drop(handle);
    if (handle.onEnd !== undefined) {
      callUser(handle.onEnd, 'unsubscribeThen', this.#context());
    }
    changes.report(this.#eventContext({ tag: 'UnsubscribeApplied' }));
    this.#noLongerAwaited(set);
  }

  /** A query was refused or has failed. Exactly the rows of this set go. */
  failed(set: number, text: string): void {
    const handle = this.#sets.get(set);
    if (handle === undefined) {
      return;
    }
    const changes = this.#drop(handle);
    const error = new SubscriptionError(text);
    for (const callback of handle.onError) {
      callUser(callback, 'onError', this.#context(error), error);
    }
    if (handle.onError.length === 0) {
      stdbLogger('error', 'a subscription failed:', text);
    }
    changes.report(this.#eventContext({ tag: 'Error', value: error }));
    this.#noLongerAwaited(set);
  }
}
