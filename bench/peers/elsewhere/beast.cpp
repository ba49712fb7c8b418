// The server of bench/run on Boost.Beast, on one thread.
#include <cstdlib>
#include <deque>
#include <memory>
#include <unordered_set>
#include <vector>

#include <boost/asio.hpp>
#include <boost/beast.hpp>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using asio::ip::tcp;
using Shared = std::shared_ptr<std::vector<char>>;

class Session;
static std::unordered_set<Session *> receivers;

class Session : public std::enable_shared_from_this<Session> {
    websocket::stream<beast::tcp_stream> stream_;
    beast::flat_buffer buffer_;
    http::request<http::string_body> request_;
    std::deque<Shared> waiting_;

public:
    explicit Session(tcp::socket &&socket) : stream_(std::move(socket)) { stream_.next_layer().socket().set_option(tcp::no_delay(true)); }

    ~Session() { receivers.erase(this); }

    void run() {
        http::async_read(stream_.next_layer(), buffer_, request_, [self = shared_from_this()](auto error, auto) {
            if (!error) self->accept();
        });
    }

    void push(Shared message) {
        waiting_.push_back(std::move(message));
        if (waiting_.size() == 1) write();
    }

private:
    void accept() {
        buffer_.clear();
        stream_.binary(true);
        stream_.auto_fragment(false);
        stream_.set_option(websocket::stream_base::timeout::suggested(beast::role_type::server));
        stream_.async_accept(request_, [self = shared_from_this()](auto error) {
            if (error) return;
            if (self->request_.target() == "/fanout") receivers.insert(self.get());
            self->read();
        });
    }

    void read() {
        stream_.async_read(buffer_, [self = shared_from_this()](auto error, auto) {
            if (error) {
                receivers.erase(self.get());
            } else if (self->request_.target() == "/echo") {
                self->echo();
            } else {
                if (self->request_.target() == "/fanout/publish") self->publish();
                self->buffer_.consume(self->buffer_.size());
                self->read();
            }
        });
    }

    void echo() {
        stream_.text(stream_.got_text());
        stream_.async_write(buffer_.data(), [self = shared_from_this()](auto error, auto count) {
            if (error) return;
            self->buffer_.consume(count);
            self->read();
        });
    }

    void publish() {
        auto data = static_cast<const char *>(buffer_.data().data());
        auto message = std::make_shared<std::vector<char>>(data, data + buffer_.size());
        for (Session *receiver : receivers) receiver->push(message);
    }

    void write() {
        stream_.async_write(asio::buffer(*waiting_.front()), [self = shared_from_this()](auto error, auto) {
            if (error) return;
            self->waiting_.pop_front();
            if (!self->waiting_.empty()) self->write();
        });
    }
};

static void accept(tcp::acceptor &acceptor) {
    acceptor.async_accept([&acceptor](auto error, tcp::socket socket) {
        if (!error) std::make_shared<Session>(std::move(socket))->run();
        accept(acceptor);
    });
}

int main(int, char **arguments) {
    asio::io_context context(1);
    tcp::acceptor acceptor(context, {asio::ip::make_address("127.0.0.1"), static_cast<unsigned short>(std::atoi(arguments[1]))});
    accept(acceptor);
    context.run();
}
