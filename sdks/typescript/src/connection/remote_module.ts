// What bindings say of a module, and what a connection offers because of it.

import type { InferTypeOfParams, Infer } from '../schema/builders.js';
import type {
  UntypedProceduresDef,
  UntypedReducersDef,
  ProcedureParamsType,
  ParamsType,
} from '../schema/functions.js';
import type {
  ReadonlyIndexes,
  RowType,
  TableNamesOf,
  UntypedSchemaDef,
  UntypedTableDef,
} from '../schema/tables.js';
import type { IsAny, Prettify, Values } from '../schema/type_tools.js';
import type { EventContextInterface } from './contexts.js';

export type RemoteModule<
  SchemaDef extends UntypedSchemaDef,
  ReducersDef extends UntypedReducersDef,
  ProceduresDef extends UntypedProceduresDef,
  CLI extends string = string,
> = SchemaDef & ReducersDef & ProceduresDef & { versionInfo: { cliVersion: CLI } };

export type UntypedRemoteModule = RemoteModule<
  UntypedSchemaDef,
  UntypedReducersDef,
  UntypedProceduresDef
>;

export type TableDefForTableName<SchemaDef extends UntypedSchemaDef, N> = Extract<
  Values<SchemaDef['tables']>,
  { accessorName: N }
>;

type PrimaryKeys<TableDef extends UntypedTableDef> = {
  [K in keyof TableDef['columns']]: TableDef['columns'][K]['columnMetadata'] extends {
    isPrimaryKey: true;
  }
    ? K
    : never;
}[keyof TableDef['columns']];

type Rows<TableDef extends UntypedTableDef> = Prettify<RowType<TableDef>>;

export interface ReadonlyTableMethods<Row> {
  /** How many rows the client has. */
  count(): bigint;
  iter(): IteratorObject<Row, undefined>;
  [Symbol.iterator](): IteratorObject<Row, undefined>;
}

export interface InsertMethods<Module extends UntypedRemoteModule, Row> {
  onInsert(cb: (ctx: EventContextInterface<Module>, row: Row) => void): void;
  removeOnInsert(cb: (ctx: EventContextInterface<Module>, row: Row) => void): void;
}

export interface DeleteMethods<Module extends UntypedRemoteModule, Row> {
  onDelete(cb: (ctx: EventContextInterface<Module>, row: Row) => void): void;
  removeOnDelete(cb: (ctx: EventContextInterface<Module>, row: Row) => void): void;
}

export interface UpdateMethods<Module extends UntypedRemoteModule, Row> {
  onUpdate(cb: (ctx: EventContextInterface<Module>, oldRow: Row, newRow: Row) => void): void;
  removeOnUpdate(cb: (ctx: EventContextInterface<Module>, oldRow: Row, newRow: Row) => void): void;
}

/** A table in `db`. */
export type TableView<
  Module extends UntypedRemoteModule,
  TableDef extends UntypedTableDef,
> = ReadonlyTableMethods<Rows<TableDef>> &
  InsertMethods<Module, Rows<TableDef>> &
  (TableDef['isEvent'] extends true
    ? unknown
    : DeleteMethods<Module, Rows<TableDef>> &
        ([PrimaryKeys<TableDef>] extends [never]
          ? unknown
          : UpdateMethods<Module, Rows<TableDef>>)) &
  ReadonlyIndexes<TableDef>;

export type ClientTable<
  Module extends UntypedRemoteModule,
  Name extends TableNamesOf<Module>,
> = TableView<Module, TableDefForTableName<Module, Name>>;

export type ClientDbView<Module> =
  IsAny<Module> extends true
    ? any
    : Module extends UntypedRemoteModule
      ? {
          readonly [Table in Values<Module['tables']> as Table['accessorName']]: TableView<
            Module,
            Table
          >;
        }
      : never;

/** The reducers of a module as functions; the promise is settled when the result is known. */
export type ReducersView<Module> =
  IsAny<Module> extends true
    ? { [name: string]: (params?: any) => Promise<void> }
    : Module extends UntypedRemoteModule
      ? {
          readonly [R in Module['reducers'][number] as R['accessorName']]: (
            ...params: ParamsType<R>
          ) => Promise<void>;
        }
      : never;

export type ProceduresView<Module> =
  IsAny<Module> extends true
    ? { [name: string]: (params?: any) => Promise<any> }
    : Module extends UntypedRemoteModule
      ? {
          readonly [P in Module['procedures'][number] as P['accessorName']]: (
            ...params: ProcedureParamsType<P>
          ) => Promise<Infer<P['returnType']>>;
        }
      : never;

export type ReducerEventInfo<Name extends string = string, Args extends object = object> = {
  name: Name;
  args: Args;
};

export type ReducerInfoOf<Module extends UntypedRemoteModule> = ReducerEventInfo<
  Module['reducers'][number]['name'],
  InferTypeOfParams<Module['reducers'][number]['params']>
>;
