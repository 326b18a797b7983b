// Which connection of a user it is: 128 bits. Zero means none.

import { checkUnsigned, formatHex, parseHex, toBytesLittleEndian } from './hex.js';

export type ConnectionIdAlgebraicType = {
  tag: 'Product';
  value: { elements: [{ name: '__connection_id__'; algebraicType: { tag: 'U128' } }] };
};

const TYPE: ConnectionIdAlgebraicType = {
  tag: 'Product',
  value: { elements: [{ name: '__connection_id__', algebraicType: { tag: 'U128' } }] },
};

export class ConnectionId {
  __connection_id__: bigint;

  constructor(data: bigint) {
    this.__connection_id__ = checkUnsigned(data, 128, 'a connection id');
  }

  static getAlgebraicType(): ConnectionIdAlgebraicType {
    return TYPE;
  }

  static nullIfZero(addr: ConnectionId): ConnectionId | null {
    return addr.isZero() ? null : addr;
  }

  static random(): ConnectionId {
    let value = 0n;
    for (const word of crypto.getRandomValues(new Uint32Array(4))) {
      value = (value << 32n) | BigInt(word);
    }
    return new ConnectionId(value);
  }

  static fromString(str: string): ConnectionId {
    return new ConnectionId(parseHex(str, 32, 'a connection id'));
  }

  static fromStringOrNull(str: string): ConnectionId | null {
    return ConnectionId.nullIfZero(ConnectionId.fromString(str));
  }

  isZero(): boolean {
    return this.__connection_id__ === 0n;
  }

  isEqual(other: ConnectionId): boolean {
    return this.__connection_id__ === other.__connection_id__;
  }

  equals(other: ConnectionId): boolean {
    return this.isEqual(other);
  }

  toHexString(): string {
    return formatHex(this.__connection_id__, 32);
  }

  /** Least significant byte first, as on the wire. */
  toUint8Array(): Uint8Array {
    return toBytesLittleEndian(this.__connection_id__, 16);
  }

  toString(): string {
    return this.toHexString();
  }

  toJSON(): { __connection_id__: string } {
    return { __connection_id__: `0x${this.toHexString()}` };
  }
}
