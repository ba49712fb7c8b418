// The server of bench/run on gws.
package main

import (
	"log"
	"net/http"
	"os"
	"sync"

	"github.com/lxzan/gws"
)

type handler struct {
	gws.BuiltinEventHandler
	path string
}

var (
	guard     sync.Mutex
	receivers = map[*gws.Conn]struct{}{}
)

func main() {
	for _, path := range []string{"/echo", "/fanout", "/fanout/publish"} {
		upgrader := gws.NewUpgrader(&handler{path: path}, &gws.ServerOption{})
		http.HandleFunc(path, func(answer http.ResponseWriter, request *http.Request) {
			if socket, err := upgrader.Upgrade(answer, request); err == nil {
				go socket.ReadLoop()
			}
		})
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}

func (h *handler) OnOpen(socket *gws.Conn) {
	if h.path == "/fanout" {
		guard.Lock()
		receivers[socket] = struct{}{}
		guard.Unlock()
	}
}

func (h *handler) OnClose(socket *gws.Conn, err error) {
	guard.Lock()
	delete(receivers, socket)
	guard.Unlock()
}

func (h *handler) OnPing(socket *gws.Conn, payload []byte) {
	_ = socket.WritePong(payload)
}

func (h *handler) OnMessage(socket *gws.Conn, message *gws.Message) {
	defer message.Close()
	switch h.path {
	case "/echo":
		_ = socket.WriteMessage(message.Opcode, message.Bytes())
	case "/fanout/publish":
		// The receivers' queues keep it for longer than this call.
		broadcaster := gws.NewBroadcaster(message.Opcode, append([]byte(nil), message.Bytes()...))
		guard.Lock()
		for receiver := range receivers {
			_ = broadcaster.Broadcast(receiver)
		}
		guard.Unlock()
		_ = broadcaster.Close()
	}
}
