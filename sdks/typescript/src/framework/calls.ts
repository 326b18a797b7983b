// Functions that call a reducer or a procedure of the connection that a component has, once it has
// one; until then the calls wait.

import type { DbConnectionImpl } from '../connection/db_connection.js';
import type { UntypedProcedureDef, UntypedReducerDef } from '../schema/functions.js';

type Connection = DbConnectionImpl<any>;

function functionAt(root: any, accessorName: string): (params?: unknown) => Promise<any> {
  let place = root;
  for (const part of accessorName.split('.')) {
    place = place?.[part];
  }
  if (typeof place !== 'function') {
    throw new TypeError(`the bindings of this connection have no ${accessorName}`);
  }
  return place;
}

export type Kind = 'reducers' | 'procedures';

export class WaitingCalls {
  #connection: Connection | null = null;
  #waiting: ((connection: Connection) => void)[] = [];

  /** Makes the calls that waited. */
  setConnection(connection: Connection | null): void {
    this.#connection = connection;
    if (connection !== null) {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const start of waiting) {
        start(connection);
      }
    }
  }

  call(
    kind: Kind,
    def: UntypedReducerDef | UntypedProcedureDef,
    params: readonly unknown[]
  ): Promise<any> {
    const start = (connection: Connection): Promise<any> =>
      functionAt(connection[kind], def.accessorName)(...(params as [unknown?]));
    if (this.#connection !== null) {
      return start(this.#connection);
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push(connection => {
        start(connection).then(resolve, reject);
      });
    });
  }
}
