// What callbacks are given: the connection, and why they are called.

import type { ConnectionId } from '../values/connection_id.js';
import type { Identity } from '../values/identity.js';
import type { Timestamp } from '../values/time.js';
import type { ReducerOutcome } from './protocol.js';
import type {
  ClientDbView,
  ProceduresView,
  ReducerEventInfo,
  ReducerInfoOf,
  ReducersView,
  UntypedRemoteModule,
} from './remote_module.js';
import type { SubscriptionBuilderImpl } from './subscriptions.js';

export type ReducerEvent<Reducer extends ReducerEventInfo> = {
  timestamp: Timestamp;
  outcome: ReducerOutcome;
  reducer: Reducer;
};

/** Why rows have changed. The `id` is the same for all callbacks of one message. */
export type Event<Reducer extends ReducerEventInfo> = { id: string } & (
  | { tag: 'Reducer'; value: ReducerEvent<Reducer> }
  | { tag: 'SubscribeApplied' }
  | { tag: 'UnsubscribeApplied' }
  | { tag: 'Error'; value: Error }
  | { tag: 'Transaction' }
);

export interface DbContext<Module extends UntypedRemoteModule> {
  db: ClientDbView<Module>;
  reducers: ReducersView<Module>;
  procedures: ProceduresView<Module>;
  readonly isActive: boolean;
  readonly identity?: Identity | undefined;
  readonly connectionId: ConnectionId;
  subscriptionBuilder(): SubscriptionBuilderImpl<Module>;
  disconnect(): void;
}

export interface EventContextInterface<
  Module extends UntypedRemoteModule,
> extends DbContext<Module> {
  event: Event<ReducerInfoOf<Module>>;
}

export interface ReducerEventContextInterface<
  Module extends UntypedRemoteModule,
> extends DbContext<Module> {
  event: ReducerEvent<ReducerInfoOf<Module>>;
}

export interface ProcedureEventContextInterface<
  Module extends UntypedRemoteModule,
> extends DbContext<Module> {}

export interface SubscriptionEventContextInterface<
  Module extends UntypedRemoteModule,
> extends DbContext<Module> {}

export interface ErrorContextInterface<
  Module extends UntypedRemoteModule,
> extends DbContext<Module> {
  event?: Error | undefined;
}

/** One class is enough: the contexts differ only in what their event is. */
export class Context<Module extends UntypedRemoteModule> implements DbContext<Module> {
  constructor(
    private readonly connection: DbContext<Module>,
    readonly event: any
  ) {}

  get db(): ClientDbView<Module> {
    return this.connection.db;
  }

  get reducers(): ReducersView<Module> {
    return this.connection.reducers;
  }

  get procedures(): ProceduresView<Module> {
    return this.connection.procedures;
  }

  get isActive(): boolean {
    return this.connection.isActive;
  }

  get identity(): Identity | undefined {
    return this.connection.identity;
  }

  get connectionId(): ConnectionId {
    return this.connection.connectionId;
  }

  subscriptionBuilder(): SubscriptionBuilderImpl<Module> {
    return this.connection.subscriptionBuilder();
  }

  disconnect(): void {
    this.connection.disconnect();
  }
}
