// As in line-ends-without-a-close-frame.js.
const whole = t.text('never completed');
await t.watch(new WebSocket(t.server({ send: whole.slice(0, -6), end: 'fin' })), 'in a frame');
await t.watch(new WebSocket(t.server({ send: t.text('part', { fin: false }), end: 'fin' })), 'between fragments');
