// Reducers and procedures as bindings declare them.

import type { ProductTypeType } from '../bsatn/algebraic_type.js';
import {
  type CollapseColumn,
  ColumnBuilder,
  type Infer,
  type InferTypeOfParams,
  RowBuilder,
  type RowObj,
  type TypeBuilder,
} from './builders.js';
import { toCamelCase } from './names.js';
import type { CamelCase, Prettify } from './type_tools.js';

export type ParamsObj = RowObj;

export type UntypedReducerDef = {
  /** As the server knows it. */
  name: string;
  /** As `reducers` has it. */
  accessorName: string;
  params: ParamsObj;
  paramsType: ProductTypeType;
};

export type UntypedReducersDef = { reducers: readonly UntypedReducerDef[] };

export type ReducerSchema<ReducerName extends string, Params extends ParamsObj> = {
  readonly reducerName: ReducerName;
  readonly accessorName: CamelCase<ReducerName>;
  readonly params: { readonly row: Params };
  readonly paramsSpacetimeType: ProductTypeType;
};

/** Names may have dots, of submodules; each part is spelled on its own. */
function accessorOf(name: string): string {
  return name.split('.').map(toCamelCase).join('.');
}

export function reducerSchema<ReducerName extends string, Params extends ParamsObj>(
  name: ReducerName,
  params: Params
): ReducerSchema<ReducerName, Params> {
  const row = params instanceof RowBuilder ? params : new RowBuilder(params);
  return {
    reducerName: name,
    accessorName: accessorOf(name) as CamelCase<ReducerName>,
    params: row as unknown as { row: Params },
    paramsSpacetimeType: row.algebraicType.value,
  };
}

type ReducersToSchema<T extends readonly ReducerSchema<any, any>[]> = {
  reducers: {
    readonly [I in keyof T]: {
      name: T[I]['reducerName'];
      accessorName: T[I]['accessorName'];
      params: T[I]['params']['row'];
      paramsType: T[I]['paramsSpacetimeType'];
    };
  };
};

class Reducers<Def extends UntypedReducersDef> {
  constructor(readonly reducersType: Def) {}
}

export function reducers<const H extends readonly ReducerSchema<any, any>[]>(
  ...handles: H
): Reducers<ReducersToSchema<H>>;
export function reducers<const H extends readonly ReducerSchema<any, any>[]>(
  handles: H
): Reducers<ReducersToSchema<H>>;
export function reducers(...handles: any[]): Reducers<any> {
  const list: ReducerSchema<any, any>[] =
    handles.length === 1 && Array.isArray(handles[0]) ? handles[0] : handles;
  return new Reducers({
    reducers: list.map(({ reducerName, accessorName, params, paramsSpacetimeType }) => ({
      name: reducerName,
      accessorName,
      params: params.row,
      paramsType: paramsSpacetimeType,
    })),
  });
}

export type CoerceParams<Params extends ParamsObj> = {
  [K in keyof Params & string]: CollapseColumn<Params[K]>;
};

export type UntypedProcedureDef = {
  name: string;
  accessorName: string;
  params: ParamsObj;
  returnType: TypeBuilder<any, any>;
};

export type UntypedProceduresDef = { procedures: readonly UntypedProcedureDef[] };

type ProcedureDef<Name extends string, Params extends ParamsObj, Return> = {
  name: Name;
  accessorName: CamelCase<Name>;
  params: CoerceParams<Params>;
  returnType: Return;
};

export function coerceParams<Params extends ParamsObj>(params: Params): CoerceParams<Params> {
  const coerced: ParamsObj = {};
  for (const name of Object.keys(params)) {
    const param = params[name]!;
    coerced[name] = param instanceof ColumnBuilder ? param.typeBuilder : param;
  }
  return coerced as CoerceParams<Params>;
}

export function procedureSchema<
  ProcedureName extends string,
  Params extends ParamsObj,
  Return extends TypeBuilder<any, any>,
>(
  name: ProcedureName,
  params: Params,
  returnType: Return
): ProcedureDef<ProcedureName, Params, Return> {
  return {
    name,
    accessorName: accessorOf(name) as CamelCase<ProcedureName>,
    params: coerceParams(params),
    returnType,
  };
}

export function procedures<const H extends readonly UntypedProcedureDef[]>(
  ...handles: H
): { procedures: H };
export function procedures<const H extends readonly UntypedProcedureDef[]>(
  handles: H
): { procedures: H };
export function procedures(...handles: any[]): { procedures: any } {
  const isList = handles.length === 1 && Array.isArray(handles[0]);
  return { procedures: isList ? handles[0] : handles };
}

type HasAccessor = { accessorName: PropertyKey };

export type ConvertToAccessorMap<Defs extends readonly HasAccessor[]> = {
  [Def in Defs[number] as Def['accessorName']]: Def;
};

/** A list of definitions as an object with their accessors. */
export function convertToAccessorMap<T extends readonly HasAccessor[]>(
  arr: T
): ConvertToAccessorMap<T> {
  return Object.fromEntries(arr.map(def => [def.accessorName, def])) as ConvertToAccessorMap<T>;
}

/** Where there are no parameters an empty object may be passed, too. */
type MaybeParams<T> = [keyof T] extends [never] ? [params?: {}] : [params: T];

/** The arguments of a function that calls a reducer: none, or one object. */
export type ParamsType<R extends UntypedReducerDef> = MaybeParams<
  Prettify<InferTypeOfParams<R['params']>>
>;
export type ProcedureParamsType<P extends UntypedProcedureDef> = MaybeParams<
  Prettify<InferTypeOfParams<P['params']>>
>;
export type ProcedureReturnType<P extends UntypedProcedureDef> = Infer<P['returnType']>;
