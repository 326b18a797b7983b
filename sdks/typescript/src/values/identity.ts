// Who a user is: 256 bits, derived by the server from a token.

import { checkUnsigned, formatHex, parseHex, toBytesLittleEndian } from './hex.js';

export type IdentityAlgebraicType = {
  tag: 'Product';
  value: { elements: [{ name: '__identity__'; algebraicType: { tag: 'U256' } }] };
};

const TYPE: IdentityAlgebraicType = {
  tag: 'Product',
  value: { elements: [{ name: '__identity__', algebraicType: { tag: 'U256' } }] },
};

export class Identity {
  __identity__: bigint;

  /** From 64 hex digits, with or without `0x`, or the number that they write. */
  constructor(data: string | bigint) {
    this.__identity__ =
      typeof data === 'string'
        ? parseHex(data, 64, 'an identity')
        : checkUnsigned(data, 256, 'an identity');
  }

  static getAlgebraicType(): IdentityAlgebraicType {
    return TYPE;
  }

  static fromString(str: string): Identity {
    return new Identity(str);
  }

  static zero(): Identity {
    return new Identity(0n);
  }

  isEqual(other: Identity): boolean {
    return this.__identity__ === other.__identity__;
  }

  equals(other: Identity): boolean {
    return this.isEqual(other);
  }

  toHexString(): string {
    return formatHex(this.__identity__, 64);
  }

  /** Least significant byte first, as on the wire. */
  toUint8Array(): Uint8Array {
    return toBytesLittleEndian(this.__identity__, 32);
  }

  toString(): string {
    return this.toHexString();
  }

  toJSON(): { __identity__: string } {
    return { __identity__: `0x${this.toHexString()}` };
  }
}
