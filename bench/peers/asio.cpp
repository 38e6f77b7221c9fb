// asio, in the shape of its asynchronous TCP echo example: read some, write it all, again. `asio PORT [BYTES]`: BYTES
// is what one read takes at most, 1,024 as in the example.
#include <asio.hpp>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <vector>

using asio::ip::tcp;

class session : public std::enable_shared_from_this<session>
{
      public:
	session(tcp::socket socket, std::size_t bytes) : socket_(std::move(socket)), buffer_(bytes) {}

	void read()
	{
		socket_.async_read_some(asio::buffer(buffer_),
					[self = shared_from_this()](std::error_code error, std::size_t got) {
						if (!error)
							self->write(got);
					});
	}

      private:
	void write(std::size_t bytes)
	{
		asio::async_write(socket_, asio::buffer(buffer_, bytes),
				  [self = shared_from_this()](std::error_code error, std::size_t) {
					  if (!error)
						  self->read();
				  });
	}

	tcp::socket socket_;
	std::vector<char> buffer_;
};

static void accept(tcp::acceptor &acceptor, std::size_t bytes)
{
	acceptor.async_accept([&acceptor, bytes](std::error_code error, tcp::socket socket) {
		if (!error)
			std::make_shared<session>(std::move(socket), bytes)->read();
		accept(acceptor, bytes);
	});
}

int main(int argc, char **argv)
{
	auto port = static_cast<unsigned short>(argc > 1 ? std::atoi(argv[1]) : 7862);
	std::size_t bytes = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1024;

	try {
		asio::io_context context(1);
		tcp::acceptor acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), port));

		accept(acceptor, bytes);
		context.run();
	} catch (const std::exception &error) {
		std::cerr << error.what() << '\n';
	}
	return 1;
}
