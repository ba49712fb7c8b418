ws.onerror=function(){
//
}