await t.watch(new WebSocket(t.server({ header: 'Sec-WebSocket-Extensions: permessage-unknown' })));
