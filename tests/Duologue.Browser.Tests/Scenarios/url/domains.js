for (const host of [
  'münchen.test', 'MÜNCHEN.test', 'm%C3%BCnchen.test', 'faß.test', '日本語。test', 'ｅｘａｍｐｌｅ.test', 'ex\u00adample.test', 'XN--MNCHEN-3YA.test', '%65xample.test', 'a_b.test', 'h.test.', 'a..test',
  '\u212b.test', 'ΑΣ.test', 'a\u200db.test', 'a\u200cb.test', '\u0561.test', '☃.test', '\u1e9e.test', 'K.test', 
  'בית.test', 'aבית.test', 'xn--zca.test', 'a-.test', '-a.test', 'ab--c.test', 'a!b.test', "a'b.test", 'a(b).test', 'a+b.test', 'a~b.test', 'a$b.test', 'a&b.test', 'a;b.test', 'a=b.test', 'a,b.test', 'a`b.test', 'a{b}.test', 'a"b.test',
  'a<b.test', 'a>b.test', 'a^b.test', 'a|b.test', 'a%00b.test', 'a%.test', '%C3.test', '\u00ad', 'a\ufffdb.test', '\ufdd0.test', '', 'user@', '%2e.test', 'a%2fb.test', 'a\u0080b.test',
  'a'.repeat(63) + '.test', 'a'.repeat(64) + '.test', '\u0300a.test', 'a\u2260b.test', 'a\u226eb.test', '\u3002test', 'xn--ls8h.test', '💩.test',
]) {
  t.attempt(JSON.stringify(host), () => {
    const ws = new WebSocket(`ws://${host}/`);
    ws.close();
    return ws.url;
  });
}
