// Everything that bindings and applications use. The bindings of frameworks are beside it:
// `spacetime-client/react`, `/vue`, `/svelte`, `/solid`.

export * from './bsatn/algebraic_type.js';
export { deepEqual } from './bsatn/compare.js';
export { default as BinaryReader } from './bsatn/reader.js';
export { ResizableBuffer, default as BinaryWriter } from './bsatn/writer.js';

export { ConnectionId, type ConnectionIdAlgebraicType } from './values/connection_id.js';
export {
  coerceToBigInt,
  hexStringToU128,
  hexStringToU256,
  hexStringToUint8Array,
  u128ToHexString,
  u128ToUint8Array,
  u256ToHexString,
  u256ToUint8Array,
  uint8ArrayToHexString,
  uint8ArrayToU128,
  uint8ArrayToU256,
} from './values/hex.js';
export { Identity, type IdentityAlgebraicType } from './values/identity.js';
export { Interval, ScheduleAt, type ScheduleAtAlgebraicType, Time } from './values/schedule_at.js';
export {
  TimeDuration,
  type TimeDurationAlgebraicType,
  Timestamp,
  type TimestampAlgebraicType,
} from './values/time.js';
export { Uuid, type UuidAlgebraicType, type UuidVersion } from './values/uuid.js';

export * from './schema/builders.js';
export * from './schema/functions.js';
export { toCamelCase, toPascalCase, toSnakeCase } from './schema/names.js';
export * from './schema/query.js';
export { type Bound, Range } from './schema/range.js';
export * from './schema/tables.js';
export type {
  CamelCase,
  CollapseTuple,
  PascalCase,
  Prettify,
  SetField,
  Values,
} from './schema/type_tools.js';

export { DbConnectionBuilder } from './connection/builder.js';
export type {
  DbContext,
  ErrorContextInterface,
  Event,
  EventContextInterface,
  ProcedureEventContextInterface,
  ReducerEvent,
  ReducerEventContextInterface,
  SubscriptionEventContextInterface,
} from './connection/contexts.js';
export {
  type ConnectionEvent,
  type DbConnectionConfig,
  DbConnectionImpl,
  type RemoteModuleOf,
} from './connection/db_connection.js';
export type { ReducerOutcome } from './connection/protocol.js';
export { type ReconnectOptions } from './connection/reconnect.js';
export type {
  ClientDbView,
  ClientTable,
  ProceduresView,
  ReducerEventInfo,
  ReducersView,
  RemoteModule,
  TableDefForTableName,
  TableView,
  UntypedRemoteModule,
} from './connection/remote_module.js';
export { SubscriptionBuilderImpl, SubscriptionHandleImpl } from './connection/subscriptions.js';
export {
  type CompressionName,
  type WebSocketAdapter,
  type WebSocketArgs,
  type WebSocketFactory,
  openWebSocket,
} from './connection/transport.js';

export {
  ConnectionError,
  ConnectionLostError,
  InternalError,
  ProtocolError,
  SenderError,
  SubscriptionError,
} from './errors.js';
export {
  type LogLevel,
  getGlobalLogLevel,
  setGlobalLogLevel,
  stdbLogger,
  stringify,
} from './logger.js';
