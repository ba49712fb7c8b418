ws.addEventListener('open',evt=>{
ws.send('Hello World')
})