ws.onmessage = function(evt) {
console.log( "Received Message: " + evt.data)
};