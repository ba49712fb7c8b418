const ws = new WebSocket(t.echo());
const events = [];
ws.onopen = function (e) {
  events.push(e);
  t.log('handler', this === ws, e.target === ws, e.currentTarget === ws, e.type, arguments.length);
};
ws.addEventListener('open', function (e) {
  t.log('listener', this === ws, e.target === ws, e === events[0]);
});
const object = {
  handleEvent(e) {
    t.log('object', this === object, e.target === ws, e === events[0]);
  },
};
ws.addEventListener('open', object);
ws.addEventListener('open', null);
await t.next(ws, 'open');
await t.rest(0);
t.log("afterwards", events[0].target === ws);
ws.close();
await t.next(ws, 'close');
