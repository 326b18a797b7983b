// What the applications of the frameworks have in common.

import { DbConnection, reducers, tables } from '../../bindings/chat.mjs';

const address = new URLSearchParams(location.search);
export const tag = address.get('tag') ?? '';

export const builder = DbConnection.builder()
  .withUri(address.get('uri') ?? '')
  .withDatabaseName(address.get('db') ?? '');

export const query = tables.message.where((row: any) => row.text.eq(tag)) as any;
export const sendMessage = (reducers as any).sendMessage;
