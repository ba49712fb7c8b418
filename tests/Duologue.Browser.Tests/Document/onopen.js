ws.onopen=function(){
ws.send('hello everyone')
}