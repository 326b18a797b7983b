// Query sets as their user sees them: a builder, and a handle for each set.

import { type NamespacedQueryBuilder, type RowTypedQuery, toSql } from '../schema/query.js';
import type { ErrorContextInterface, SubscriptionEventContextInterface } from './contexts.js';
import type { UntypedRemoteModule } from './remote_module.js';

type OnApplied<Module extends UntypedRemoteModule> = (
  ctx: SubscriptionEventContextInterface<Module>
) => void;
type OnError<Module extends UntypedRemoteModule> = (
  ctx: ErrorContextInterface<Module>,
  error: Error
) => void;
type OneQuery = string | RowTypedQuery<any, any>;

/** What a set needs of its connection. */
export interface SubscriptionHost<Module extends UntypedRemoteModule> {
  addQuerySet(handle: SubscriptionHandleImpl<Module>): void;
  removeQuerySet(handle: SubscriptionHandleImpl<Module>): void;
  getFromBuilder(): any;
  allTableQueries(): string[];
}

export type QuerySetState = 'pending' | 'applied' | 'leaving' | 'ended';

export class SubscriptionHandleImpl<Module extends UntypedRemoteModule> {
  /** Which set it is; given by the connection. */
  querySetId = 0;
  state: QuerySetState = 'pending';
  onEnd: OnApplied<Module> | undefined;
  readonly #host: SubscriptionHost<Module>;

  constructor(
    host: SubscriptionHost<Module>,
    readonly queries: readonly string[],
    readonly onApplied: readonly OnApplied<Module>[],
    readonly onError: readonly OnError<Module>[]
  ) {
    this.#host = host;
    host.addQuerySet(this);
  }

  /** Gives the rows up that no other subscription has. */
  unsubscribe(): void {
    this.#leave();
  }

  /** The same; the callback is called when the rows are gone. */
  unsubscribeThen(onEnd: OnApplied<Module>): void {
    this.#leave(onEnd);
  }

  #leave(onEnd?: OnApplied<Module>): void {
    if (this.state === 'leaving' || this.state === 'ended') {
      throw new Error(
        this.state === 'ended'
          ? 'this subscription has ended already'
          : '`unsubscribe` was called already'
      );
    }
    this.onEnd = onEnd;
    this.#host.removeQuerySet(this);
  }

  /** Its rows are here, and nobody has asked for its end. */
  isActive(): boolean {
    return this.state === 'applied';
  }

  isEnded(): boolean {
    return this.state === 'ended';
  }
}

export class SubscriptionBuilderImpl<Module extends UntypedRemoteModule> {
  readonly #host: SubscriptionHost<Module>;
  readonly #onApplied: OnApplied<Module>[] = [];
  readonly #onError: OnError<Module>[] = [];

  /** Bindings give their connection. */
  constructor(host: unknown) {
    this.#host = host as SubscriptionHost<Module>;
  }

  /** Called once, when the rows are here. */
  onApplied(cb: OnApplied<Module>): this {
    this.#onApplied.push(cb);
    return this;
  }

  /** Called if the server refuses a query, or if one fails later. */
  onError(cb: OnError<Module>): this {
    this.#onError.push(cb);
    return this;
  }

  /** One query or several; they are text, or built from `tables`. */
  subscribe(query: OneQuery | readonly OneQuery[]): SubscriptionHandleImpl<Module>;
  subscribe(
    queryFn: (
      tables: NamespacedQueryBuilder<Module>
    ) => RowTypedQuery<any, any> | readonly RowTypedQuery<any, any>[]
  ): SubscriptionHandleImpl<Module>;
  subscribe(queries: unknown): SubscriptionHandleImpl<Module> {
    const asked: unknown =
      typeof queries === 'function' ? queries(this.#host.getFromBuilder()) : queries;
    const list = (Array.isArray(asked) ? asked : [asked]) as OneQuery[];
    if (list.length === 0) {
      throw new TypeError('a subscription needs at least one query');
    }
    return this.#start(list.map(query => (typeof query === 'string' ? query : toSql(query))));
  }

  /** Every table that the bindings know. */
  subscribeToAllTables(): SubscriptionHandleImpl<Module> {
    return this.#start(this.#host.allTableQueries());
  }

  #start(queries: string[]): SubscriptionHandleImpl<Module> {
    return new SubscriptionHandleImpl(this.#host, queries, this.#onApplied, this.#onError);
  }
}
