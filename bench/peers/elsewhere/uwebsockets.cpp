// The server of bench/run on uWebSockets.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "App.h"

struct Nothing {};

static uWS::App::WebSocketBehavior<Nothing> behavior() {
    uWS::App::WebSocketBehavior<Nothing> behavior;
    behavior.compression = uWS::DISABLED;
    behavior.maxPayloadLength = 16 * 1024 * 1024;
    behavior.maxBackpressure = 64 * 1024 * 1024;
    behavior.idleTimeout = 120;
    return behavior;
}

int main(int, char **arguments) {
    std::signal(SIGPIPE, SIG_IGN);
    uWS::App app;
    auto echo = behavior();
    echo.message = [](auto *socket, std::string_view message, uWS::OpCode type) { socket->send(message, type); };
    auto receiver = behavior();
    receiver.open = [](auto *socket) { socket->subscribe("fanout"); };
    auto publisher = behavior();
    publisher.message = [&app](auto *, std::string_view message, uWS::OpCode type) { app.publish("fanout", message, type); };
    app.ws<Nothing>("/echo", std::move(echo))
        .ws<Nothing>("/fanout", std::move(receiver))
        .ws<Nothing>("/fanout/publish", std::move(publisher))
        .listen("127.0.0.1", std::atoi(arguments[1]), [](auto *listening) {
            if (!listening) {
                std::fprintf(stderr, "cannot listen\n");
                std::exit(1);
            }
        })
        .run();
}
