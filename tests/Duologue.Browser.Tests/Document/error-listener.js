ws.addEventListener('error',evt=>{
//
})