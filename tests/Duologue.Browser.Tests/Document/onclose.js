ws.onclose = function(evt) {
console.log("Connection closed.");
};