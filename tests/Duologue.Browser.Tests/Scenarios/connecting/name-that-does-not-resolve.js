await t.watch(new WebSocket('ws://nobody.invalid/'));
