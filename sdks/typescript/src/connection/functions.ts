// The functions of `conn.reducers` and `conn.procedures`.

import type { AlgebraicType, ProductType } from '../bsatn/algebraic_type.js';
import { makeDeserializer, makeSerializer } from '../bsatn/codec.js';
import BinaryReader from '../bsatn/reader.js';
import BinaryWriter from '../bsatn/writer.js';
import { toError } from '../errors.js';
import type { UntypedRemoteModule } from './remote_module.js';

export interface Caller {
  callReducerWithParams(name: string, paramsType: ProductType, params: object): Promise<void>;
  callProcedureWithParams(
    name: string,
    paramsType: ProductType,
    params: object,
    returnType: AlgebraicType
  ): Promise<any>;
}

/** Puts a function where its name says; dots lead one level down. */
function putAt(root: any, accessorName: string, call: unknown): void {
  const path = accessorName.split('.');
  let place = root;
  for (const part of path.slice(0, -1)) {
    place = place[part] ??= {};
  }
  place[path.at(-1)!] = call;
}

export function makeReducers(caller: Caller, module: UntypedRemoteModule): object {
  const made = {};
  for (const { name, accessorName, paramsType } of module.reducers) {
    const call = (params: object = {}): Promise<void> =>
      caller.callReducerWithParams(name, paramsType, params);
    putAt(made, accessorName, call);
  }
  return made;
}

export function makeProcedures(caller: Caller, module: UntypedRemoteModule): object {
  const made = {};
  for (const { name, accessorName, params, returnType } of module.procedures) {
    const elements = Object.keys(params).map(key => {
      const param = params[key]!;
      const type = 'typeBuilder' in param ? param.typeBuilder : param;
      return { name: key, algebraicType: type.algebraicType as AlgebraicType };
    });
    const paramsType = { elements };
    const call = (values: object = {}): Promise<any> =>
      caller.callProcedureWithParams(name, paramsType, values, returnType.algebraicType);
    putAt(made, accessorName, call);
  }
  return made;
}

const products = new WeakMap<ProductType, AlgebraicType>();

/** The same object for the same elements: what writes them is made once. */
function productOf(value: ProductType): AlgebraicType {
  let type = products.get(value);
  if (type === undefined) {
    type = { tag: 'Product', value };
    products.set(value, type);
  }
  return type;
}

/** Arguments that are not of their types are an error of the promise, like every other. */
export function writeArgs<T>(
  elements: ProductType,
  params: object,
  call: (args: Uint8Array) => Promise<T>
): Promise<T> {
  const writer = new BinaryWriter(64);
  try {
    makeSerializer(productOf(elements))(writer, params);
  } catch (error) {
    return Promise.reject(toError(error));
  }
  return call(writer.getBuffer());
}

export function readReturned(type: AlgebraicType, returned: Uint8Array): unknown {
  return makeDeserializer(type)(new BinaryReader(returned));
}
