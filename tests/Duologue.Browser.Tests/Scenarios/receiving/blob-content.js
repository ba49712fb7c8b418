const ws = new WebSocket(t.server({ send: [t.binary([0xef, 0xbb, 0xbf, 0x68, 0xc3, 0xa9, 0xff]), t.close(1000)] }));
let blob;
ws.onmessage = e => { blob = e.data; };
await t.watch(ws);
t.log(blob.size, `'${blob.type}'`, blob instanceof Blob);
t.log(t.hex(await blob.arrayBuffer()));
t.log(JSON.stringify(await blob.text()));
const slice = blob.slice(3, -1, 'Text/Plain');
t.log(slice.size, slice.type, await slice.text());
