// The server of bench/run on gorilla/websocket.
package main

import (
	"log"
	"net/http"
	"os"
	"sync"

	"github.com/gorilla/websocket"
)

var (
	upgrader  = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	guard     sync.Mutex
	receivers = map[chan *websocket.PreparedMessage]struct{}{}
)

func main() {
	http.HandleFunc("/echo", serve(echo))
	http.HandleFunc("/fanout", serve(receive))
	http.HandleFunc("/fanout/publish", serve(publish))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}

func serve(talk func(*websocket.Conn)) http.HandlerFunc {
	return func(answer http.ResponseWriter, request *http.Request) {
		if socket, err := upgrader.Upgrade(answer, request, nil); err == nil {
			defer socket.Close()
			talk(socket)
		}
	}
}

func echo(socket *websocket.Conn) {
	for {
		kind, message, err := socket.ReadMessage()
		if err != nil || socket.WriteMessage(kind, message) != nil {
			return
		}
	}
}

func receive(socket *websocket.Conn) {
	queue := make(chan *websocket.PreparedMessage, 1024)
	guard.Lock()
	receivers[queue] = struct{}{}
	guard.Unlock()
	go func() {
		for message := range queue {
			// What cannot be written is taken out all the same: a publisher waits for its place.
			_ = socket.WritePreparedMessage(message)
		}
	}()
	for {
		if _, _, err := socket.ReadMessage(); err != nil {
			break
		}
	}
	guard.Lock()
	delete(receivers, queue)
	close(queue)
	guard.Unlock()
}

func publish(socket *websocket.Conn) {
	for {
		kind, message, err := socket.ReadMessage()
		if err != nil {
			return
		}
		prepared, err := websocket.NewPreparedMessage(kind, message)
		if err != nil {
			return
		}
		guard.Lock()
		for queue := range receivers {
			queue <- prepared
		}
		guard.Unlock()
	}
}
