var file = document.querySelector('input[type="file"]').files[0];
ws.send(file);