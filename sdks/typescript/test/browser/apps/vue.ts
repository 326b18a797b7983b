import { createApp, defineComponent, h } from 'vue';

import { SpacetimeDBProvider, useReducer, useSpacetimeDB, useTable } from 'spacetime-client/vue';

import { builder, query, sendMessage, tag } from './connection';

const App = defineComponent(() => {
  const state = useSpacetimeDB();
  const [rows, isReady] = useTable<any>(query);
  const send = useReducer<any>(sendMessage) as any;
  return () => [
    h('p', `${state.isActive} ${isReady.value} ${rows.value.length}`),
    h('button', { onClick: () => send({ text: tag }) }, 'send'),
  ];
});

createApp({
  render: () => h(SpacetimeDBProvider, { connectionBuilder: builder }, () => h(App)),
}).mount('#vue');
