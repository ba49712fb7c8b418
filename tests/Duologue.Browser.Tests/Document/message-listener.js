ws.addEventListener('message',evt=>{
console.log( "Received Message: " + evt.data)
})