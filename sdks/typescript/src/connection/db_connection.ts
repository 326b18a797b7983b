// A connection to one database: it owns the tables, the query sets and the calls.
//
// - Messages are handled one after the other, each wholly: first all tables, then the callbacks of
//   the subscription, then those of the rows, then the promise of the call. What a callback throws
//   is logged and stops nothing.
// - With `withReconnect`, a lost connection is made again, its sets are subscribed again, and the
//   tables change in one step to what they are now; until then they stay as they were.
// - Without, the object has ended with the connection; its tables can still be read.

import type { AlgebraicType, ProductType } from '../bsatn/algebraic_type.js';
import BinaryReader from '../bsatn/reader.js';
import { ClientCache } from '../cache/table_cache.js';
import {
  ConnectionError,
  ConnectionLostError,
  InternalError,
  ProtocolError,
  SubscriptionError,
  toError,
} from '../errors.js';
import { stdbLogger } from '../logger.js';
import {
  type NamespacedQueryBuilder,
  type RowTypedQuery,
  makeFromBuilder,
  toSql,
} from '../schema/query.js';
import type { UntypedSchemaDef } from '../schema/tables.js';
import { ConnectionId } from '../values/connection_id.js';
import type { Identity } from '../values/identity.js';
import { type CallResult, Calls, errorOf } from './calls.js';
import { Context, type DbContext, type Event } from './contexts.js';
import type { EventEmitter } from './emitter.js';
import { makeProcedures, makeReducers, readReturned, writeArgs } from './functions.js';
import { Link } from './link.js';
import {
  type Message,
  type QuerySetUpdate,
  type ServerMessage,
  readServerMessage,
  writeCallProcedure,
  writeCallReducer,
  writeOneOffQuery,
} from './protocol.js';
import { QuerySets } from './query_sets.js';
import { type ReconnectPolicy, isFinal, onWake, reconnectDelayMs } from './reconnect.js';
import type {
  ClientDbView,
  ProceduresView,
  ReducersView,
  UntypedRemoteModule,
} from './remote_module.js';
import { SubscribedRows } from './row_changes.js';
import {
  SubscriptionBuilderImpl,
  type SubscriptionHandleImpl,
  type SubscriptionHost,
} from './subscriptions.js';
import type { CompressionName, WebSocketFactory } from './transport.js';

export type ConnectionEvent =
  | 'connect'
  | 'disconnect'
  | 'connectError'
  | 'reconnecting'
  | 'reconnected'
  /** Whether there is a connection, or whose it is, has changed. */
  | 'state'
  /** A message has been handled: the rows are what they are until the next. */
  | 'message';

export type DbConnectionConfig<Module extends UntypedRemoteModule> = {
  uri: URL;
  nameOrAddress: string;
  identity?: Identity;
  token?: string;
  emitter: EventEmitter<ConnectionEvent>;
  createWSFn: WebSocketFactory;
  compression: CompressionName;
  lightMode: boolean;
  confirmedReads?: boolean;
  reconnect?: ReconnectPolicy;
  remoteModule: Module;
};

export type RemoteModuleOf<C> = C extends DbConnectionImpl<infer Module> ? Module : never;

/** An unexpected end before this long after the start of the connection counts as a failure. */
const STABLE_MS_MIN = 5000;

/** How often a congested connection is asked whether it takes more. */
const UNSENT_POLL_MS = 20;

export class DbConnectionImpl<Module extends UntypedRemoteModule>
  implements DbContext<Module>, SubscriptionHost<Module>
{
  /** Whether the server is there. */
  isActive = false;
  /** Whether `disconnect()` was called. */
  isDisconnectRequested = false;
  identity?: Identity | undefined;
  /** What proves the identity; it can be kept and given to `withToken`. */
  token?: string | undefined;
  connectionId: ConnectionId = ConnectionId.random();
  db: ClientDbView<Module>;
  reducers: ReducersView<Module>;
  procedures: ProceduresView<Module>;

  readonly #config: DbConnectionConfig<Module>;
  readonly #emitter: EventEmitter<ConnectionEvent>;
  readonly #cache: ClientCache;
  readonly #rows: SubscribedRows;
  readonly #calls = new Calls();
  readonly #sets: QuerySets<Module>;
  #link: Link | undefined;
  #hasConnected = false;
  #hasEnded = false;
  #lastRequestId = 0;
  #lastEventId = 0;
  /** Bodies that came while callbacks were running. */
  #bodies: Uint8Array[] = [];
  #isHandling = false;
  #attempt = 0;
  #openedAt = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #sendTimer: ReturnType<typeof setTimeout> | undefined;
  #stopWaking: () => void = () => {};
  #queryBuilder: unknown;

  constructor(config: DbConnectionConfig<Module>) {
    this.#config = config;
    this.#emitter = config.emitter;
    this.identity = config.identity;
    this.token = config.token;
    this.#cache = new ClientCache(config.remoteModule.tables);
    this.#rows = new SubscribedRows(this.#cache);
    this.#sets = new QuerySets(
      {
        connection: this,
        nextEventId: () => this.#nextEventId(),
        nextRequestId: () => this.#nextRequestId(),
        send: message => this.#send(message),
        exchanged: () => {
          this.#emitter.emit('reconnected', this);
          this.#emitter.emit('state');
        },
      },
      this.#rows
    );
    this.db = this.#cache.view as ClientDbView<Module>;
    this.reducers = makeReducers(this, config.remoteModule) as ReducersView<Module>;
    this.procedures = makeProcedures(this, config.remoteModule) as ProceduresView<Module>;
    if (config.reconnect !== undefined) {
      this.#stopWaking = onWake(() => this.reconnectNow());
    }
    this.#connect();
  }

  subscriptionBuilder = (): SubscriptionBuilderImpl<Module> => new SubscriptionBuilderImpl(this);

  // The connection

  #connect(): void {
    const { uri, nameOrAddress, compression, lightMode, confirmedReads } = this.#config;
    const link: Link = new Link(
      this.#config.createWSFn,
      {
        url: uri,
        nameOrAddress,
        compression,
        lightMode,
        ...(this.token === undefined ? {} : { authToken: this.token }),
        ...(confirmedReads === undefined ? {} : { confirmedReads }),
      },
      {
        onOpen: () => this.#opened(),
        onBody: body => this.#received(body),
        onEnd: error => {
          if (this.#link === link) {
            this.#linkEnded(error);
          }
        },
      }
    );
    this.#link = link;
  }

  /** Everything is asked for again; on the first connection, for the first time. */
  #opened(): void {
    this.#sets.subscribeAll(this.#hasConnected);
    this.#sendCalls();
  }

  /** As many as the network takes; the others soon. */
  #sendCalls(all = false): void {
    const link = this.#link!;
    const canSend = (): boolean => link.canSend && (all || !link.isCongested);
    this.#calls.sendWaiting(message => link.send(message), canSend);
    if (link.canSend && this.#calls.hasWaiting) {
      this.#sendTimer ??= setTimeout(() => {
        this.#sendTimer = undefined;
        this.#sendCalls();
      }, UNSENT_POLL_MS);
    }
  }

  #linkEnded(error: Error | undefined): void {
    const wasActive = this.isActive;
    this.isActive = false;
    this.#bodies = [];
    this.#sets.connectionLost();
    const policy = this.#config.reconnect;
    const ends = this.isDisconnectRequested || policy === undefined || isFinal(error);
    if (ends || policy.maxAttempts <= this.#attempt) {
      this.#end(error);
      return;
    }
    this.#calls.lose('the connection was lost', false);
    if (wasActive && STABLE_MS_MIN < Date.now() - this.#openedAt) {
      this.#attempt = 0;
    }
    const delayMs = reconnectDelayMs(policy, this.#attempt);
    this.#attempt += 1;
    this.#retryTimer = setTimeout(() => this.#connect(), delayMs);
    const reason = error ?? new ConnectionError('the server ended the connection');
    const context = new Context<Module>(this, reason);
    if (this.#hasConnected) {
      this.#emitter.emit('reconnecting', context, reason, { attempt: this.#attempt, delayMs });
    } else {
      this.#emitter.emit('connectError', context, reason);
    }
    this.#emitter.emit('state');
  }

  /** For good. */
  #end(error: Error | undefined): void {
    if (this.#hasEnded) {
      return;
    }
    this.#hasEnded = true;
    this.isActive = false;
    this.#stopWaking();
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#sendTimer);
    const reported = this.isDisconnectRequested ? undefined : error;
    this.#calls.lose(reported?.message ?? 'the connection was closed', true);
    const context = new Context<Module>(this, reported);
    if (this.#hasConnected) {
      this.#emitter.emit('disconnect', context, reported);
    } else if (!this.isDisconnectRequested) {
      const reason = reported ?? new ConnectionError('the server closed before it began');
      this.#emitter.emit('connectError', context, reason);
    }
    this.#emitter.emit('state');
  }

  /** With `withReconnect`: tries at once if the connection is lost, also unnoticed. */
  reconnectNow(): void {
    if (this.#hasEnded || this.isDisconnectRequested || this.#config.reconnect === undefined) {
      return;
    }
    const link = this.#link!;
    if (!link.isSocketClosed) {
      return;
    }
    // A socket that died unnoticed, as in a laptop that slept, says so here.
    link.fail(new ConnectionError('the connection was lost unnoticed'));
    if (this.#retryTimer !== undefined) {
      clearTimeout(this.#retryTimer);
      this.#retryTimer = undefined;
      this.#connect();
    }
  }

  /** Ends the connection for good. What was called before is still sent. */
  disconnect(): void {
    if (this.isDisconnectRequested || this.#hasEnded) {
      this.isDisconnectRequested = true;
      return;
    }
    this.isDisconnectRequested = true;
    clearTimeout(this.#retryTimer);
    const link = this.#link!;
    this.#sendCalls(true);
    if (link.isSocketClosed) {
      queueMicrotask(() => this.#end(undefined));
    } else {
      link.close();
    }
  }

  /** Whether the socket is closed, even if that was never reported. */
  get isSocketClosed(): boolean {
    return this.#link?.isSocketClosed ?? false;
  }

  /** Whether there will be no connection any more. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  // Messages

  #received(body: Uint8Array): void {
    this.#bodies.push(body);
    if (this.#isHandling) {
      return;
    }
    this.#isHandling = true;
    try {
      for (let next = this.#bodies.shift(); next !== undefined; next = this.#bodies.shift()) {
        this.#handleBody(next);
      }
    } catch (error) {
      const cause = toError(error);
      const text = `a message of the server cannot be read: ${cause.message}`;
      this.#link?.fail(new ProtocolError(text, undefined, { cause }));
    } finally {
      this.#isHandling = false;
    }
  }

  #handleBody(body: Uint8Array): void {
    const reader = new BinaryReader(body);
    const link = this.#link;
    while (0 < reader.remaining && link === this.#link && !this.isDisconnectRequested) {
      const message = readServerMessage(reader);
      const end = reader.offset;
      this.#handle(message, reader);
      this.#emitter.emit('message');
      reader.offset = end;
    }
  }

  #handle(message: ServerMessage, reader: BinaryReader): void {
    switch (message.tag) {
      case 'InitialConnection':
        this.#connected(message);
        break;
      case 'SubscribeApplied':
        this.#sets.applied(message.querySetId, message.rows, reader);
        break;
      case 'UnsubscribeApplied':
        this.#sets.unsubscribed(message.querySetId);
        break;
      case 'SubscriptionError':
        this.#sets.failed(message.querySetId, message.error);
        break;
      case 'TransactionUpdate':
        this.#changed(reader, message.querySets, { id: this.#nextEventId(), tag: 'Transaction' });
        break;
      case 'ReducerResult':
        this.#reducerDone(message, reader);
        break;
      case 'ProcedureResult':
        this.#procedureDone(message);
        break;
      case 'OneOffQueryResult':
        this.#queryDone(message, reader);
        break;
    }
  }

  #connected(message: ServerMessage & { tag: 'InitialConnection' }): void {
    this.identity = message.identity;
    this.connectionId = message.connectionId;
    if (this.token === undefined) {
      this.token = message.token;
    }
    this.isActive = true;
    this.#openedAt = Date.now();
    if (this.#hasConnected) {
      this.#sets.exchangeWhenComplete();
      return;
    }
    this.#hasConnected = true;
    this.#attempt = 0;
    this.#emitter.emit('connect', this, message.identity, this.token);
    this.#emitter.emit('state');
  }

  #nextEventId(): string {
    this.#lastEventId += 1;
    return `${this.connectionId.toHexString()}:${this.#lastEventId}`;
  }

  #nextRequestId(): number {
    this.#lastRequestId = (this.#lastRequestId + 1) >>> 0;
    return this.#lastRequestId;
  }

  #changed(reader: BinaryReader, querySets: readonly QuerySetUpdate[], event: Event<any>): void {
    const changes = this.#rows.update(reader, querySets);
    changes.report(new Context<Module>(this, event));
  }

  // Query sets

  addQuerySet(handle: SubscriptionHandleImpl<Module>): void {
    if (this.#hasEnded) {
      throw new ConnectionLostError('the connection has ended; make a new one', false);
    }
    this.#sets.add(handle);
  }

  removeQuerySet(handle: SubscriptionHandleImpl<Module>): void {
    this.#sets.remove(handle);
  }

  /** False if there is no connection to send it to. */
  #send(message: Message): boolean {
    const link = this.#link!;
    if (link.canSend) {
      link.send(message);
    }
    return link.canSend;
  }

  /** The queries of all tables that the bindings know. */
  allTableQueries(): string[] {
    const { tables } = this.#config.remoteModule;
    return Object.values(tables).map(
      ({ sourceName }) =>
        `SELECT * FROM ${sourceName
          .split('.')
          .map(it => `"${it}"`)
          .join('.')}`
    );
  }

  /** The rows of a table that one subscription has, whatever others have. */
  rowsOfSubscription(sourceName: string, handle: SubscriptionHandleImpl<Module>): any[] {
    return this.#rows.rowsOfSet(sourceName, handle.querySetId);
  }

  getFromBuilder<SchemaDef extends UntypedSchemaDef>(): NamespacedQueryBuilder<SchemaDef> {
    this.#queryBuilder ??= makeFromBuilder(this.#config.remoteModule.tables);
    return this.#queryBuilder as NamespacedQueryBuilder<SchemaDef>;
  }

  // Calls

  #start<T>(
    write: (requestId: number) => Message,
    toResult: (resolve: (value: T) => void) => CallResult
  ): Promise<T> {
    if (this.#hasEnded || this.isDisconnectRequested) {
      const lost = new ConnectionLostError('the connection has ended; make a new one', false);
      const promise = Promise.reject(lost);
      promise.catch(() => {});
      return promise;
    }
    const requestId = this.#nextRequestId();
    const promise = this.#calls.add<T>(requestId, write(requestId), toResult);
    this.#sendCalls();
    return promise;
  }

  /** Calls a reducer with arguments that are bytes already. */
  callReducer(
    reducerName: string,
    argsBuffer: Uint8Array,
    reducerArgs: object = {}
  ): Promise<void> {
    return this.#start<void>(
      requestId => writeCallReducer(requestId, reducerName, argsBuffer),
      resolve => ({ kind: 'reducer', name: reducerName, args: reducerArgs, resolve })
    );
  }

  callReducerWithParams(name: string, paramsType: ProductType, params: object): Promise<void> {
    return writeArgs(paramsType, params, args => this.callReducer(name, args, params));
  }

  /** Calls a procedure with arguments that are bytes already; so is its result. */
  callProcedure(procedureName: string, argsBuffer: Uint8Array): Promise<Uint8Array> {
    return this.#start<Uint8Array>(
      requestId => writeCallProcedure(requestId, procedureName, argsBuffer),
      resolve => ({ kind: 'procedure', resolve })
    );
  }

  async callProcedureWithParams(
    name: string,
    paramsType: ProductType,
    params: object,
    returnType: AlgebraicType
  ): Promise<any> {
    const call = (args: Uint8Array): Promise<Uint8Array> => this.callProcedure(name, args);
    return readReturned(returnType, await writeArgs(paramsType, params, call));
  }

  /** The rows of a query as they are now, without a subscription. */
  async oneOffQuery<Row = any>(query: string | RowTypedQuery<Row, any>): Promise<Row[]> {
    const sql = typeof query === 'string' ? query : toSql(query);
    return this.#start<any[]>(
      requestId => writeOneOffQuery(requestId, sql),
      resolve => ({ kind: 'query', resolve })
    );
  }

  #reducerDone(message: ServerMessage & { tag: 'ReducerResult' }, reader: BinaryReader): void {
    const { requestId, timestamp, outcome, querySets } = message;
    const call = this.#calls.take(requestId);
    if (call?.kind !== 'reducer') {
      stdbLogger('warn', `the result of reducer call ${requestId}, which nobody waits for`);
      this.#changed(reader, querySets, { id: this.#nextEventId(), tag: 'Transaction' });
      return;
    }
    const value = { timestamp, outcome, reducer: { name: call.name, args: call.args } };
    this.#changed(reader, querySets, { id: this.#nextEventId(), tag: 'Reducer', value });
    const error = errorOf(outcome);
    if (error === undefined) {
      call.resolve();
    } else {
      call.reject(error);
    }
  }

  #procedureDone({ requestId, returned, error }: ServerMessage & { tag: 'ProcedureResult' }): void {
    const call = this.#calls.take(requestId);
    if (call?.kind !== 'procedure') {
      stdbLogger('warn', `the result of procedure call ${requestId}, which nobody waits for`);
    } else if (returned !== undefined) {
      call.resolve(returned);
    } else {
      call.reject(new InternalError(error ?? ''));
    }
  }

  #queryDone(message: ServerMessage & { tag: 'OneOffQueryResult' }, reader: BinaryReader): void {
    const call = this.#calls.take(message.requestId);
    if (call?.kind !== 'query') {
      return;
    }
    if (message.error !== undefined) {
      call.reject(new SubscriptionError(message.error));
      return;
    }
    call.resolve(
      message.rows.flatMap(({ table, rows }) => this.#rows.readAll(table, reader, rows))
    );
  }

  // Callbacks of the connection

  /** For what wraps connections, such as the bindings of frameworks. */
  on(event: ConnectionEvent, callback: (...args: any[]) => void): void {
    this.#emitter.on(event, callback);
  }

  off(event: ConnectionEvent, callback: (...args: any[]) => void): void {
    this.#emitter.off(event, callback);
  }

  removeOnConnect(callback: (...args: any[]) => void): void {
    this.#emitter.off('connect', callback);
  }

  removeOnDisconnect(callback: (...args: any[]) => void): void {
    this.#emitter.off('disconnect', callback);
  }

  removeOnConnectError(callback: (...args: any[]) => void): void {
    this.#emitter.off('connectError', callback);
  }
}
